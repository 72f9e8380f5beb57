# Who workers are, what they and the master write to logs, and the life of
# both in a container.
use strict;
use warnings;
use File::Temp qw(tempdir);
use IO::Socket::INET;
use IO::Socket::UNIX;
use POSIX;
use Socket qw(SOCK_DGRAM);
use Test::More;
use Time::HiRes qw(time sleep);
use Tine::Test;

my $supervised = build("t/supervised");
my $tine = build("bin/tine");
my $dir = tempdir(CLEANUP => 1);
my $is_root = $> == 0;
my ($user, $group) = (getpwnam("nobody"))[2, 3];

chmod(0755, $dir);

# The first free port below 1024 from 80.
sub low_port {
	for my $port (80 .. 120) {
		my $socket = IO::Socket::INET->new(LocalAddr => "127.0.0.1",
		    LocalPort => $port, Listen => 1, ReuseAddr => 1) or next;
		return $port;
	}
	return 0;
}

sub value_of {
	my ($text, $name) = @_;
	return ($text // "") =~ /^\Q$name\E (.*)$/m ? $1 : "";
}

subtest "76. As root with --user" => sub {
	plan skip_all => "this needs root, and a user nobody"
	    unless $is_root && defined $user;
	my $module = variant(build("t/supervised.so"), "$dir/supervised.so");

	for my $mode (@modes) {
		for my $workers (0, 2) {
			my $port = low_port();
			my $server = start(program => $tine, mode => $mode,
			    workers => $workers, bind => ["127.0.0.1:$port"],
			    args => ["--user=nobody", "--umask=027",
			    "--pidfile=$dir/user.pid", $module]);
			my $body = $server->ask("/identity")->{body};

			is($server->{port}, $port, "$mode, $workers: port $port");
			is(value_of($body, "uid"), "$user $user", "its user");
			is(value_of($body, "gid"), "$group $group", "its group");
			is(join(" ", $body =~ /^group (\d+)$/mg), $group,
			    "its groups only");
			is(value_of($body, "umask"), "027", "its umask");
			is(value_of($body, "root again"), "no",
			    "it cannot be root again");
			if ($workers == 0) {
				$server->stop;
				next;
			}
			is((stat("/proc/$server->{pid}"))[4], 0,
			    "the master stays root");
			my ($status, $text) = run_command("setpriv",
			    "--reuid=$user", "--regid=$group",
			    "--clear-groups", "kill", "-TERM",
			    $server->{pid});
			isnt($status, 0, "TERM from a user is refused");
			kill("HUP", $server->{pid});
			ok($server->log_like(qr/reloaded: 2 workers/),
			    "a reload works");
			kill("USR2", $server->{pid});
			ok($server->log_like(qr/upgraded to .*reloaded: 2/s,
			    10), "an upgrade too");
			is(value_of($server->ask("/identity")->{body},
			    "uid"), "$user $user", "as that user again");
			$server->stop;
			ok(!-e "$dir/user.pid", "and a stop");
		}
	}
};

subtest "76. --group and --chroot" => sub {
	plan skip_all => "this needs root, and a user nobody"
	    unless $is_root && defined $user;
	my $daemon = (getgrnam("daemon"))[2] // 1;

	mkdir("$dir/root");
	mkdir("$dir/root/tmp");
	chmod(01777, "$dir/root/tmp");
	delete local $ENV{TMPDIR};	# it is not within the root
	for my $mode (@modes) {
		my $server = start(program => $supervised, mode => $mode,
		    workers => 1, args => ["--user=nobody", "--group=daemon",
		    "--chroot=$dir/root", "--log=$dir/chroot.log"]);
		my $body = $server->ask("/identity")->{body};

		is(value_of($body, "gid"), "$daemon $daemon", "$mode: the group");
		unlike($body, qr/^group 0$/m, "and not root's");
		is(value_of($body, "directory"), "/", "in its root");
		is($server->ask("/length", method => "POST",
		    body => "x" x 300000)->{body}, "300000\n",
		    "a body is spooled there");
		kill("HUP", $server->{pid});
		ok($server->log_like(qr/reloaded: 1 worker/), "a reload works");
		$server->stop;
		like(slurp("$dir/chroot.log"), qr/POST \/length/,
		    "the log is outside");
	}
	mkdir("$dir/bare");
	for my $tmp (undef, "$dir/none") {
		local $ENV{TMPDIR} = $tmp // "";

		for my $how ("--workers=0", "--workers=1", "--test") {
			my ($status, $text) = run_command("timeout", 30,
			    $supervised, "--bind=127.0.0.1:0", $how,
			    "--chroot=$dir/bare");
			is($status, 66, "$how: no directory for spools: 66");
			like($text, qr{^\S*supervised: \Q@{[$tmp // "/tmp"]}\E: No such file or directory, within --chroot \(.*--spool-dir\)$},
			    "says which, and what to do");
		}
	}
	my ($status, $text) = run_command("setpriv", "--reuid=$user",
	    "--regid=$group", "--clear-groups", binary("t/supervised"),
	    "--user=root", "--bind=127.0.0.1:0");
	SKIP: {
		skip "a user cannot run it here", 2 if $status == 126 ||
		    $status == 127;
		is($status, 77, "another user, not by root: 77");
		like($text, qr/--user .*needs root/, "says why");
	}
};

# Renames both logs a few times while requests are answered.
subtest "77. USR1 after rename of both logs under load with --user" => sub {
	for my $mode (@modes) {
		my $logs = tempdir(CLEANUP => 1);
		my @who = $is_root && defined $user ? ("--user=nobody") : ();
		my $server = start(mode => $mode, workers => 3,
		    args => [@who, "--log=$logs/log",
		    "--error-log=$logs/error"]);
		my ($good, $bad) = under_load($server, sub {
			for my $turn (1 .. 4) {
				wait_for { -s "$logs/log" };
				rename("$logs/log", "$logs/log.$turn");
				rename("$logs/error", "$logs/error.$turn");
				kill("USR1", $server->{pid});
				wait_for { -e "$logs/log" &&
				    -e "$logs/error" };
				# Each worker has its new files.
				wait_for { my @new = (stat("$logs/log"))[1];
				    4 == grep { my $pid = $_;
				    grep { (readlink($_) // "") eq
				    "$logs/log" } glob("/proc/$pid/fd/*") }
				    $server->{pid}, $server->workers_of };
			}
		});

		cmp_ok($good, ">", 0, "$mode: $good requests");
		is($bad, 0, "no failure");
		$server->stop;
		my @lines = map { split /\n/, slurp($_) } glob("$logs/log*");
		is(scalar(@lines), $good, "every line is in exactly one file");
		is(scalar(grep { !m{^127\.0\.0\.1 - - \[[^\]]+\] "GET /hello HTTP/1\.1" 200 13$} }
		    @lines), 0, "and whole");
		ok(-s "$logs/log.$_", "log $_ has some") for 1 .. 4;
	}
};

subtest "78. USR1 with the directory gone" => sub {
	for my $workers (0, 2) {
		my $logs = tempdir() . "/logs";
		mkdir($logs);
		my $server = start(workers => $workers,
		    args => ["--log=$logs/log"],
		    quiet => qr/the old file is kept/);

		$server->ask("/hello?1");
		rename($logs, "$logs.gone");
		kill("USR1", $server->{pid});
		ok($server->log_like(qr/cannot open the log .*the old file is kept/),
		    "$workers workers: an error line");
		is($server->ask("/hello?2")->{status}, 200, "serving goes on");
		$server->stop;
		is(scalar(() = $server->err =~ /the old file is kept/g), 1,
		    "one line");
		is(scalar(() = slurp("$logs.gone/log") =~ /\?[12] /g), 2,
		    "the old file has all");
		unlink("$logs.gone/log");
		rmdir("$logs.gone");
	}
};

subtest "79. USR1 during a long request" => sub {
	for my $mode (@modes) {
		for my $workers (0, 1) {
			my $logs = tempdir(CLEANUP => 1);
			my $server = start(mode => $mode,
			    workers => $workers, args => ["--log=$logs/log"]);
			my $client = $server->connection;

			$client->send(request("/sleep?ms=600"));
			sleep 0.2;
			rename("$logs/log", "$logs/old");
			kill("USR1", $server->{pid});
			is($client->reply->{status}, 200,
			    "$mode, $workers: it is answered");
			$client->close;
			$server->ask("/hello?after");
			$server->stop;
			my $both = slurp("$logs/old") . slurp("$logs/log");
			is(scalar(() = $both =~ m{^127\.0\.0\.1 - - \[[^\]]+\] "GET /sleep\?ms=600 HTTP/1\.1" 200 13$}mg),
			    1, "its line is whole, in one file");
			like(slurp("$logs/log"), qr/\?after/,
			    "later ones are in the new file");
		}
	}
};

# Process 1 of a name space of its own: its parent, and itself as seen from
# here.
sub start_as_first {
	my ($script, @args) = @_;
	my $server = launch(program => "unshare", bare => 1, args => ["--pid",
	    "--fork", "--mount-proc", "sh", "-c", "$script exec \"\$@\"",
	    "sh", binary("t/target"), "--bind=127.0.0.1:0", @args],
	    env => { LD_LIBRARY_PATH => build(".libs") }, quiet => qr/./);

	$server->wait_ready;
	($server->{first}) = grep { slurp("/proc/$_/stat") =~
	    /^\d+ \(.*\) \S $server->{pid} /s } children($server->{pid});
	return $server;
}

sub zombies_of {
	my $parent = shift;

	return grep { slurp($_) =~ /^\d+ \(.*\) Z $parent /s }
	    glob("/proc/[0-9]*/stat");
}

subtest "80. pid 1" => sub {
	my ($status) = run_command("unshare", "--pid", "--fork",
	    "--mount-proc", "true");
	plan skip_all => "no pid name space can be had" if $status != 0;
	for my $signal ("TERM", "INT") {
		# Orphans: their parents end before the server is there.
		my $server = start_as_first("for i in \$(seq 50); do " .
		    "(sleep 1.0\$i &); done;", "--workers=2");

		ok($server->{port}, "it serves as process 1");
		is($server->ask("/hello")->{status}, 200, "a request");
		ok((wait_for { 2 == grep { slurp("/proc/$_/stat") =~
		    /^\d+ \(.*\) \S $server->{first} /s }
		    children($server->{first}) } 5), "50 orphans have ended");
		ok((wait_for { !zombies_of($server->{first}) } 1),
		    "and leave no zombie");
		unlike($server->err, qr/worker/, "none is logged as a worker");
		kill($signal, $server->{first});
		is($server->ended(5), 0, "$signal: 0");
	}
	for my $signal ("TERM", "INT", "QUIT") {
		my $server = start_as_first("", "--workers=0");

		is($server->ask("/hello")->{status}, 200, "without a master");
		kill($signal, $server->{first});
		is($server->ended(5), 0, "$signal: 0");
	}
};

subtest "82. Titles and environment" => sub {
	for my $mode (@modes) {
		my $server = start(program => $supervised, mode => $mode,
		    workers => 1, env => { PRECIOUS => "kept" });
		my ($worker) = $server->workers_of;
		my $title = sub { slurp("/proc/$worker/cmdline") =~
		    s/[\0 .]+\z//r };

		like($title->(), qr/^supervised: worker 1$/, "$mode: idle");
		like(slurp("/proc/$server->{pid}/cmdline"),
		    qr/^supervised: master 127\.0\.0\.1:$server->{port}\b/,
		    "the master's");
		my $client = $server->connection;
		$client->send(request("/sleep?ms=1500&password=secret"));
		ok((wait_for { $title->() =~ /^supervised: worker 1 busy GET \/sleep 1s$/ }
		    3), "busy, for a second");
		unlike($title->(), qr/secret|\?/, "without the query");
		is($client->reply->{status}, 200, "it ends");
		ok((wait_for { $title->() eq "supervised: worker 1" } 2),
		    "idle again");
		like($server->ask("/environment")->{body},
		    qr/^PRECIOUS=kept$/m, "the environment is intact");
		$client->close;
		$server->stop;

		# A path of 10,000 bytes; a handler that runs for a second.
		$server = start(mode => $mode, workers => 1);
		($worker) = $server->workers_of;
		$client = $server->connection;
		$client->send("GET /sleep%1b%0a\x1b[31m" . "x" x 10000 .
		    "?secret HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
		my $held = $server->connection;
		$held->send(request("/sleep?ms=1000&" . "y" x 10000));
		ok((wait_for { $title->() =~ /busy GET \/sleep \ds/ } 3),
		    "a long query is not there");
		$_->reply for $client, $held;
		unlike($title->(), qr/[\x00-\x1f\x7f]/, "no control bytes");
		cmp_ok(length($title->()), "<", 300, "nor is it long");
		$_->close for $client, $held;
		$server->stop;
	}
};

subtest "83. Watchdog" => sub {
	my $notify = notify_socket();
	my $server = start(program => $supervised, workers => 1,
	    env => { NOTIFY_SOCKET => $notify->{path},
	    WATCHDOG_USEC => 400000, INIT => "unless=$dir/broken" },
	    quiet => qr/worker/);

	ok($notify->wait_like(qr/^READY=1\n.*^MAINPID=$server->{pid}$/ms),
	    "READY");
	$notify->clear;
	ok($notify->wait_like(qr/^WATCHDOG=1$/), "a sign of life");
	sleep 1;
	cmp_ok(scalar($notify->messages), ">=", 3, "every half interval");
	kill("STOP", $server->{pid});
	sleep 0.1;
	$notify->clear;
	sleep 0.8;
	is(scalar($notify->messages), 0, "none from a master that is stopped");
	kill("CONT", $server->{pid});
	ok($notify->wait_like(qr/^WATCHDOG=1$/), "it goes on");
	spew("$dir/broken", "");
	kill("KILL", $server->workers_of);
	ok($server->log_like(qr/5 workers in a row died/, 5), "a crash loop");
	$notify->clear;
	sleep 0.8;
	ok($notify->wait_like(qr/^WATCHDOG=1$/), "a sign of life in it");
	unlink("$dir/broken");
	$server->stop;
	ok($notify->wait_like(qr/^STOPPING=1$/m), "STOPPING");

	# A watchdog of another process is none of ours.
	$notify = notify_socket();
	$server = start(workers => 1, env => { WATCHDOG_USEC => 200000,
	    NOTIFY_SOCKET => $notify->{path}, WATCHDOG_PID => 1 });
	ok($notify->wait_like(qr/^READY=1\n/), "WATCHDOG_PID of another");
	sleep 0.5;
	ok(!(grep { /WATCHDOG/ } $notify->messages), "no sign of life");
	$server->stop;

	# Without a master the same.
	$notify = notify_socket();
	$server = start(workers => 0, env => { WATCHDOG_USEC => 400000,
	    NOTIFY_SOCKET => $notify->{path} });
	ok($notify->wait_like(qr/^READY=1\n/), "READY without a master");
	$notify->clear;
	sleep 0.8;
	cmp_ok(scalar($notify->messages), ">=", 2, "signs of life");
	my $busy = $server->connection;
	$busy->send(request("/sleep?ms=1000"));
	sleep 0.1;
	kill("TERM", $server->{pid});
	ok($notify->wait_like(qr/^STOPPING=1$/m, 0.7), "STOPPING at once");
	$busy->reply;
	$server->stop;
};

subtest "83. Time that a start and a stop take is asked for" => sub {
	my ($starting, $stopping) = (notify_socket(), notify_socket());
	my $first = launch(program => $supervised, workers => 1,
	    env => { NOTIFY_SOCKET => $starting->{path},
	    INIT => "sleep=6000" });
	my $second = start(program => $supervised, workers => 1,
	    args => ["--graceful-timeout=8"],
	    env => { NOTIFY_SOCKET => $stopping->{path} });
	my $busy = $second->connection;

	$busy->send(request("/sleep?ms=6000"));
	sleep 0.2;
	$stopping->clear;
	kill("TERM", $second->{pid});
	ok($stopping->wait_like(qr/^EXTEND_TIMEOUT_USEC=\d{7,}$/),
	    "while it stops");
	is(($stopping->messages)[0], "STOPPING=1\nSTATUS=stopping",
	    "after STOPPING");
	ok($starting->wait_like(qr/^EXTEND_TIMEOUT_USEC=\d{7,}$/),
	    "while it starts");
	ok(!(grep { /READY/ } $starting->messages), "before READY");
	is($busy->reply->{status}, 200, "what was in hand ends");
	ok($first->wait_ready, "and the other one starts");
	$_->stop for $first, $second;
};

subtest "84. Environment of worker_init and of programs" => sub {
	my %env = (NOTIFY_SOCKET => "$dir/none", WATCHDOG_USEC => 1000000,
	    LISTEN_PID => 1, LISTEN_FDS => 1, LISTEN_FDNAMES => "a",
	    WEB_CONCURRENCY => 2);

	for my $mode (@modes) {
		for my $workers (0, 1) {
			my $path = "$dir/init.$mode.$workers";
			my $server = start(program => $supervised,
			    mode => $mode, workers => $workers,
			    env => { %env, INIT => "environment=$path" });

			ok((wait_for { -e $path } 5),
			    "$mode, $workers: worker_init ran");
			# Another thread has it in hand, in mode thread.
			my $held = $server->connection;
			$held->send(request("/sleep?ms=300"));
			$held->is_quiet(0.1);
			my $beside = $server->ask("/command")->{body};
			$held->reply;
			for my $text (slurp($path),
			    $server->ask("/environment")->{body} . $beside,
			    $server->ask("/environment")->{body} .
			    $server->ask("/command")->{body}) {
				# The tests have TINE_ words of their own.
				is(join(" ", $text =~ /^SigBlk:\s(\w+)$/mg),
				    "0" x 16, "an empty mask");
				is(join(" ", $text =~ /^((?:LISTEN_|NOTIFY_|WATCHDOG_|TINE_STATE)\w+)/mg),
				    "", "no word of the master's");
				ok($text =~ /^WEB_CONCURRENCY=2$/m,
				    "but WEB_CONCURRENCY");
				# Of those that have names.
				is(hex(($text =~ /^SigIgn:\s\w+(\w{8})$/m)[0]) &
				    0x3fffffff, 0,
				    "programs have default signals");
			}
			$server->stop;
		}
	}
};

subtest "86. A program that a handler leaves behind" => sub {
	for my $mode (@modes) {
		my $server = start(program => $supervised, mode => $mode,
		    workers => 1);
		my $client = $server->connection;

		$client->send(request("/command?left", close => 1));
		my $reply = $client->reply;
		my ($left) = ($reply->{body} // "") =~ /^(\d+)$/m;
		ok($left && alive($left), "$mode: it runs");
		ok($client->is_closed(2), "the connection ends");
		is(scalar(grep { (readlink($_) // "") =~ /^socket:/ }
		    glob("/proc/$left/fd/*")), 0, "it has no socket");
		kill("KILL", $left) if $left;
		$server->stop;
	}
};

subtest "87. 64 workers started, idle" => sub {
	my $server = start(workers => 64);
	my $switches = sub { slurp("/proc/$server->{pid}/status") =~
	    /^voluntary_ctxt_switches:\s+(\d+)/m; $1 };

	is(scalar($server->workers_of), 64, "64 workers");
	sleep 0.5;
	my $before = $switches->();
	sleep 2;
	cmp_ok($switches->() - $before, "<=", 2, "the master sleeps");
	is($server->ask("/hello")->{status}, 200, "and they serve");
	$server->stop;
};

subtest "88. A full disk under the spool" => sub {
	plan skip_all => "this needs root" unless $is_root;
	mkdir("$dir/disk");
	my ($status) = run_command("mount", "-t", "tmpfs", "-o", "size=1m",
	    "tine", "$dir/disk");
	plan skip_all => "nothing can be mounted here" if $status != 0;
	for my $mode (@modes) {
		my $server = start(program => $supervised, mode => $mode,
		    workers => 1, args => ["--spool-dir=$dir/disk"],
		    quiet => qr/No space left/);
		my $client = $server->connection;

		$client->send(request("/hello"));
		$client->reply;
		my $reply = $server->ask("/length", method => "POST",
		    body => "x" x 4000000);
		like($reply->{status}, qr/^50[07]$/,
		    "$mode: $reply->{status} for that request");
		ok($server->log_like(qr/No space left/), "the log says it");
		$client->send(request("/hello"));
		is($client->reply->{status}, 200, "others go on");
		is($server->ask("/length", method => "POST",
		    body => "x" x 400000)->{body}, "400000\n",
		    "a smaller one too");
		$client->close;
		$server->stop;
	}
	run_command("umount", "$dir/disk");
};

subtest "Logs to syslog" => sub {
	my $inside = "$dir/dev";
	my ($status) = run_command("unshare", "--mount", "true");
	plan skip_all => "no mount name space can be had" if $status != 0;
	my $log = IO::Socket::UNIX->new(Type => SOCK_DGRAM,
	    Local => "$dir/syslog");
	chmod(0666, "$dir/syslog");
	$log->blocking(0);
	my $got = "";
	my $receive = sub {
		while (defined($log->recv(my $text, 4096))) {
			$got .= "$text\n";
		}
		return $got;
	};
	mkdir($inside);
	for my $mode (@modes) {
		my $server = launch(program => "unshare", bare => 1, args =>
		    ["--mount", "sh", "-c", "mount -t tmpfs none $inside && " .
		    "ln -s $dir/syslog $inside/log && " .
		    "mknod -m 666 $inside/null c 1 3 && " .
		    "mount --bind $inside /dev && exec \"\$@\"", "sh",
		    program(), "--mode=$mode", "--workers=1",
		    "--bind=127.0.0.1:0", "--log=syslog",
		    "--error-log=syslog"]);

		$got = "";
		$server->wait_ready;
		is($server->ask("/hello?x")->{status}, 200, "$mode: it serves");
		ok((wait_for { $receive->() =~
		    /^<30>target\[\d+\]: 127\.0\.0\.1 - - \[.*\] "GET \/hello\?x HTTP\/1\.1" 200 13$/m }
		    5), "the request is in syslog");
		is($server->ask("/crash")->{status}, 500, "a crash");
		ok((wait_for { $receive->() =~ /signal 11 \(SIGSEGV\).* in a handler/ }
		    5), "its report too");
		ok((wait_for { $receive->() =~
		    /^<27>.*(worker 1 \(pid \d+\) died|child \d+ ended)/m }
		    5), "and the death");
		is($server->err, "", "nothing on standard error");
		$server->stop;
	}
};

# 81 at the end: it takes its time, while the others above do not.
subtest "81. Container stop with 10 s" => sub {
	my @all = map { start(mode => $_, workers => 1,
	    args => ["--graceful-timeout=2"],
	    quiet => qr/cut off|in a handler|worker|child/) } @modes;
	my @held = map { my $c = $_->connection;
	    $c->send(request("/sleep?ms=60000")); $c } @all;

	sleep 0.3;
	my $begun = time;
	kill("TERM", map { $_->{pid} } @all);
	is($_->ended(5), 0, "$_->{mode}: it ends by itself") for @all;
	cmp_ok(time - $begun, "<", 3.5 * slow(), "before the platform's patience");
	ok((wait_for { !$_->members } 1), "all of it") for @all;
};
done_testing;
