# How a server starts, and how it fails to: the pidfile, the address, the
# steps of the start, what its parent left it.
use strict;
use warnings;
use File::Temp qw(tempdir);
use IO::Socket::INET;
use IO::Socket::UNIX;
use POSIX;
use Test::More;
use Time::HiRes qw(time sleep);
use Tine::Test;

my $supervised = build("t/supervised");
my $tine = build("bin/tine");
my $dir = tempdir(CLEANUP => 1);

sub write_file {
	my ($path, $text) = @_;

	open(my $out, ">", $path) or die "$path: $!";
	print $out $text;
	close($out);
	return $path;
}

sub free_port {
	my $socket = IO::Socket::INET->new(LocalAddr => "127.0.0.1",
	    Listen => 1);
	return $socket->sockport;
}

subtest "1. Second start with the same pidfile" => sub {
	my $server = start(workers => 2, args => ["--pidfile=$dir/one"],
	    bind => ["127.0.0.1:0", "unix:$dir/one.sock"]);
	my $inode = (stat("$dir/one"))[1];
	my ($status, $text) = launch(args => ["--pidfile=$dir/one"],
	    bind => ["unix:$dir/one.sock"])->outcome;

	is($status, 69, "status 69");
	like($text, qr/\Q$dir\E\/one: a server is running already, with the process id $server->{pid} \(/,
	    "names the file, the live pid and a remedy");
	is(scalar(() = $text =~ /\n/g), 1, "in one line");
	is($server->ask("/hello")->{status}, 200, "the first goes on");
	ok($server->connection(unix => "$dir/one.sock"), "so does its socket");
	is((stat("$dir/one"))[1], $inode, "its pidfile is the same file");
	is(slurp("$dir/one") + 0, $server->{pid}, "with its pid");
	$server->stop;
	ok(!-e "$dir/one" && !-e "$dir/one.sock", "both are removed");
};

subtest "2. Stale pidfile, or an empty one" => sub {
	for my $text ("$$\n", "", "nonsense", "99999999999999999999") {
		my $server = start(workers => 1, args => ["--pidfile=" .
		    write_file("$dir/stale", $text)]);

		is(slurp("$dir/stale"), "$server->{pid}",
		    "replaced: " . ($text =~ s/\n//r));
		$server->stop;
	}
};

subtest "3. Pidfile replaced by someone else's" => sub {
	for my $workers (0, 1) {
		my $server = start(workers => $workers,
		    args => ["--pidfile=$dir/other"]);

		unlink("$dir/other");
		write_file("$dir/other", "1\n");
		$server->stop;
		is(slurp("$dir/other"), "1\n", "it is not removed");
		unlink("$dir/other");
	}
};

subtest "4. Pidfile lock after kill -9 of the master with a helper" => sub {
	for my $mode (@modes) {
		my $server = start(program => $supervised, mode => $mode,
		    workers => 1, args => ["--pidfile=$dir/helper"],
		    env => { INIT => "helper=4000" });

		kill("KILL", $server->{pid});
		$server->ended(5);
		my $next = start(workers => 1,
		    args => ["--pidfile=$dir/helper"]);
		is(slurp("$dir/helper"), "$next->{pid}",
		    "$mode: the next start has it");
		$next->stop;
	}
};

subtest "5. Two starts at the same moment" => sub {
	for my $round (1 .. 5) {
		my @both = map { launch(workers => 1,
		    args => ["--pidfile=$dir/both"],
		    bind => ["unix:$dir/both.sock"]) } 1, 2;
		my ($loser, $text);

		ok((wait_for {
			($loser) = grep { defined $_->ended(0.001) } @both;
			$loser } 20), "one of them ends");
		my ($winner) = grep { $_ != $loser } @both;
		is(($loser->outcome)[0], 69, "with 69");
		unlike($loser->err, qr/process id (-1|0)\b/,
		    "names no process that is none");
		ok($winner->wait_ready, "the other serves");
		is(slurp("$dir/both"), "$winner->{pid}",
		    "the pidfile names it");
		ok($winner->connection(unix => "$dir/both.sock"),
		    "and it is reached");
		$winner->stop;
	}
	# Without a pidfile the socket's file alone decides.
	for my $round (1 .. 5) {
		my $dead = IO::Socket::UNIX->new(Local => "$dir/race",
		    Listen => 1);
		close($dead);
		my @both = map { launch(workers => 1,
		    bind => ["unix:$dir/race"]) } 1, 2;
		my $loser;

		wait_for {
			($loser) = grep { defined $_->ended(0.001) } @both;
			$loser } 20;
		is($loser && ($loser->outcome)[0], 69,
		    "a stale socket file: one ends");
		my ($winner) = grep { $_ != $loser } @both;
		ok($winner->wait_ready, "the other serves");
		ok($winner->connection(unix => "$dir/race"), "there");
		$winner->stop;
	}
};

subtest "6. Port taken" => sub {
	for my $workers (0, 2) {
		my $other = IO::Socket::INET->new(LocalAddr => "127.0.0.1",
		    Listen => 1);
		my $port = $other->sockport;
		my $begun = time;
		my ($status, $text) = launch(workers => $workers,
		    bind => ["127.0.0.1:$port"],
		    args => ["--pidfile=$dir/taken"])->outcome;

		is($status, 69, "status 69");
		cmp_ok(time - $begun, "<", 3 * slow(), "within 3 s");
		like($text, qr/cannot listen on 127\.0\.0\.1:$port: Address already in use \(.*--bind/,
		    "names the address");
		ok(!-e "$dir/taken", "and leaves no pidfile");
		my $server = launch(workers => $workers,
		    bind => ["127.0.0.1:$port"]);
		sleep 0.8;
		ok(alive($server->{pid}), "it waits");
		close($other);
		ok($server->wait_ready, "freed after a moment: it starts");
		$server->stop;
	}
	# After a master that was killed the same place can be had at once.
	my $path = "$dir/again";
	my $server = start(workers => 2, bind => ["127.0.0.1:0",
	    "unix:$path"]);
	my $port = $server->{port};
	my $busy = $server->connection;
	$busy->send(request("/sleep?ms=30000"));
	kill("KILL", $server->{pid});
	$server->ended(5);
	ok(-e $path, "a killed master leaves its socket file");
	$server = start(workers => 2, bind => ["127.0.0.1:$port",
	    "unix:$path"]);
	is($server->{port}, $port, "the next one has its address");
	ok($server->connection(unix => $path), "and its socket file");
	$server->stop;
	ok(!-e $path, "which it removes");
};

# Where a start can be stopped: before anything, while it waits for an
# address, in worker_init.
subtest "7. TERM at each step of the start" => sub {
	for my $signal (qw(TERM QUIT INT)) {
		my (@all, @names);

		for my $mode (@modes) {
			for my $workers (0, 2) {
				push @names, "$mode, $workers workers";
				push @all, launch(program => $supervised,
				    mode => $mode, workers => $workers,
				    env => { INIT => "sleep=20000",
				    INIT_LOG => 1 },
				    bind => ["unix:$dir/term.$#names"],
				    args => ["--pidfile=$dir/pid.$#names"]);
			}
		}
		for my $i (0 .. $#all) {
			ok($all[$i]->log_like(qr/worker_init of/, 10),
			    "$names[$i]: in worker_init");
		}
		my $begun = time;
		kill($signal, map { $_->{pid} } @all);
		for my $i (0 .. $#all) {
			is(($all[$i]->outcome)[0], 0,
			    "$signal: $names[$i]: 0");
			ok((wait_for { !$all[$i]->members } 2),
			    "no process is left");
			ok(!-e "$dir/term.$i" && !-e "$dir/pid.$i",
			    "no pidfile, no socket");
			unlike(slurp($all[$i]{out}), qr/Listening/,
			    "nothing was served");
		}
		# ThreadSanitizer puts a signal off while its thread waits in
		# recv(2), for the forker here: until worker_init ends.
		my $late = checker_threads() && grep { $_ eq "fork" } @modes;
		cmp_ok(time - $begun, "<", 2 * slow() + ($late ? 20 : 0),
		    "all within 2 s");
	}
	my $other = IO::Socket::INET->new(LocalAddr => "127.0.0.1",
	    Listen => 1);
	my $port = $other->sockport;
	for my $workers (0, 2) {
		my $server = launch(workers => $workers, bind =>
		    ["unix:$dir/wait", "127.0.0.1:$port"],
		    args => ["--pidfile=$dir/wait.pid"]);

		ok((wait_for { -e "$dir/wait" } 5), "waits for its address");
		kill("TERM", $server->{pid});
		is(($server->outcome(1))[0], 0, "TERM: 0");
		ok(!-e "$dir/wait" && !-e "$dir/wait.pid", "nothing is left");
	}
	# At moments that nobody chose, from when it catches TERM.
	for my $pause (map { $_ * 0.001 } 0 .. 19) {
		my $server = launch(workers => 2,
		    bind => ["unix:$dir/any"],
		    args => ["--pidfile=$dir/any.pid"]);

		wait_for { (readlink("/proc/$server->{pid}/exe") // "") =~
		    /target$/ && slurp("/proc/$server->{pid}/status") =~
		    /^SigCgt:\s+\S*[4-7c-f]\w{3}$/m };
		sleep $pause;
		kill("TERM", $server->{pid});
		is(($server->outcome(4))[0], 0, "TERM after $pause s: 0");
		ok((wait_for { !$server->members } 2) && !-e "$dir/any" &&
		    !-e "$dir/any.pid", "nothing is left");
	}
};

subtest "8. worker_init always fails: 70; module without symbol: 78" => sub {
	my (@all, @what);

	for my $mode (@modes) {
		for my $workers (0, 1, 4) {
			push @what, [$mode, $workers];
			push @all, launch(program => $supervised,
			    mode => $mode, workers => $workers, bind =>
			    ["unix:$dir/fails.$#what"],
			    env => { INIT => "fail", INIT_LOG => 1 });
		}
	}
	for my $i (0 .. $#all) {
		my ($mode, $workers) = @{$what[$i]};
		my ($status, $text) = $all[$i]->outcome;

		is($status, 70, "$mode, $workers workers: 70");
		like($text, qr/^there is no database$/m, "with its message");
		like($text, qr/^supervised: .*the hook worker_init failed$/m,
		    "and the reason in a sentence");
		is(scalar(() = $text =~ /worker_init of/g), $workers || 1,
		    "each worker was tried once");
		ok(!-e "$dir/fails.$i", "no socket is left");
	}
	for my $how ("exit=0", "exit=3", "crash") {
		my ($status, $text) = launch(program => $supervised,
		    workers => 2, env => { INIT => $how })->outcome;

		is($status, 70, "$how in worker_init: 70");
		like($text, qr/^supervised: no worker became ready: worker \d ended before it was ready: (exit status|signal)/m,
		    "the last reason");
	}
	my $begun = time;
	my ($status, $text) = launch(program => $supervised, workers => 2,
	    env => { INIT => "sleep=20000" },
	    args => ["--start-timeout=1s"])->outcome;
	is($status, 70, "never ready: 70");
	cmp_ok(time - $begun, "<", 3 * slow(), "after --start-timeout");
	like($text, qr/^supervised: no worker became ready: .*--start-timeout/m,
	    "which is named");
	# One of several is enough for the start to go on.
	SKIP: {
		my ($made) = run_command("sh", "-c",
		    "echo 'int x;' > $dir/empty.c; " . ($ENV{CC} // "cc") .
		    " -shared -fPIC -o $dir/empty.so $dir/empty.c");
		skip "no compiler", 6 if $made != 0;
		write_file("$dir/text.so", "not a module\n");
		for my $workers (0, 2) {
			($status, $text) = run_command($tine,
			    "--workers=$workers", "--bind=127.0.0.1:0",
			    "$dir/empty.so");
			is($status, 78, "a module without symbol: 78");
			like($text, qr/^tine: .*empty\.so has no symbol tine_http/m,
			    "names both");
			($status, $text) = run_command($tine,
			    "--workers=$workers", "--bind=127.0.0.1:0",
			    "$dir/text.so");
			is($status, 78, "what is no module: 78");
			like($text, qr/^tine: .*cannot load the module .*text\.so/m,
			    "named");
		}
	}
};

# Runs a command as a shell would, with pipes for its output that end when
# nobody has them any more.
subtest "9. --daemon" => sub {
	for my $workers (0, 2) {
		for my $mode (@modes) {
			my $port = free_port();
			my $begun = time;
			my ($status, $text) = run_command($supervised,
			    "--daemon", "--mode=$mode", "--workers=$workers",
			    "--bind=127.0.0.1:$port",
			    "--pidfile=$dir/daemon",
			    "--error-log=$dir/daemon.log");

			is($status, 0, "$mode, $workers: the parent exits 0");
			like($text, qr{Listening on http://127\.0\.0\.1:$port/},
			    "says where it listens");
			cmp_ok(time - $begun, "<", 5 * slow(),
			    "nobody keeps its standard output");
			my $server = bless { port => $port }, "Tine::Test";
			is($server->ask("/hello")->{status}, 200,
			    "a request is answered");
			my $pid = slurp("$dir/daemon") + 0;
			my @all = ($pid, children($pid));
			for my $p (@all) {
				my @where = map { readlink("/proc/$p/fd/$_") //
				    "none" } 0 .. 2;
				# A child of mode fork may have ended since.
				next unless $p == $pid || alive($p);
				is("@where", join(" ", ("/dev/null") x 3),
				    "has no terminal");
			}
			isnt(getpgrp(), getpgrp($pid), "its own group");
			kill("TERM", $pid);
			ok((wait_for { !grep { alive($_) } @all } 5),
			    "TERM ends it");
			ok(!-e "$dir/daemon", "its pidfile too");
		}
	}
	# A connection alone would be answered by a server that only listens.
	for my $workers (0, 2) {
		my $begun = time;
		my ($status) = run_command("env", "INIT=sleep=1500",
		    $supervised, "--daemon", "--workers=$workers",
		    "--bind=127.0.0.1:0", "--pidfile=$dir/daemon",
		    "--error-log=$dir/daemon.log");

		is($status, 0, "$workers workers that take their time: 0");
		cmp_ok(time - $begun, ">=", 1.5,
		    "the parent waits until they are ready");
		kill("TERM", slurp("$dir/daemon") + 0);
		ok((wait_for { !-e "$dir/daemon" } 5), "TERM ends it");
	}
	my ($status, $text) = run_command($tine, "--daemon", "--config=" .
	    write_file("$dir/bad.conf", "workers = many\n"), "$dir/x.so");
	is($status, 78, "a bad config: 78");
	like($text, qr/bad\.conf:1: .*workers/, "the text reaches the caller");
	for my $workers (0, 2) {
		($status, $text) = run_command("env", "INIT=fail", $supervised,
		    "--daemon", "--workers=$workers", "--bind=127.0.0.1:0",
		    "--error-log=none");
		is($status, 70, "worker_init fails: 70");
		like($text, qr/the hook worker_init failed/, "and the reason");
	}
	# Whoever stops the process that waits stops the server.
	my $server = launch(program => $supervised, workers => 2,
	    args => ["--daemon", "--pidfile=$dir/daemon"],
	    env => { INIT => "sleep=20000", INIT_LOG => 1 });
	ok($server->log_like(qr/worker_init of/), "a start that takes long");
	my $pid = slurp("$dir/daemon") + 0;
	kill("TERM", $server->{pid});
	is(($server->outcome(3))[0], 0, "TERM to the parent: 0");
	ok((wait_for { !alive($pid) } 3), "and no server");
};

subtest "10. Started with 0, 1, 2 closed" => sub {
	for my $workers (0, 1) {
		my $path = "$dir/closed.$workers";
		my $server = launch(workers => $workers,
		    bind => ["unix:$path"],
		    before => sub { POSIX::close($_) for 0 .. 2 });
		my $client;

		ok((wait_for { $client = $server->connection(
		    unix => $path) } 10), "it serves");
		$client->send(request("/hello", close => 1));
		is($client->reply->{body}, "Hello, world!",
		    "the reply alone reaches the client");
		for my $pid ($server->members) {
			is(join(" ", map { readlink("/proc/$pid/fd/$_")
			    // "none" } 0 .. 2), join(" ", ("/dev/null") x 3),
			    "listeners are not 0 to 2");
		}
		$server->stop;
	}
};

subtest "11. Started with SIGCHLD ignored and TERM blocked" => sub {
	for my $workers (0, 1, 4) {
		my $server = start(workers => $workers,
		    quiet => qr/worker \d/, before => sub {
			my $set = POSIX::SigSet->new(SIGTERM, SIGCHLD,
			    SIGINT, SIGQUIT, SIGHUP, SIGUSR1);

			$SIG{CHLD} = $SIG{INT} = $SIG{HUP} = "IGNORE";
			sigprocmask(SIG_BLOCK, $set);
		});

		is($server->ask("/command")->{body}, "3\n",
		    "$workers workers: a handler's child can be waited for");
		if ($workers) {
			my ($victim) = $server->workers_of;

			kill("KILL", $victim);
			ok($server->log_like(qr/pid $victim\) died: signal 9/),
			    "a death is noticed");
		}
		$server->stop;
	}
};

subtest "12. LISTEN_PID of another process; no listening socket" => sub {
	for my $workers (0, 2) {
		my $server = start(workers => $workers,
		    env => { LISTEN_PID => 1, LISTEN_FDS => 1 });

		ok($server->log_like(qr/WARNING LISTEN_PID is 1, not this process.*exec/),
		    "a warning");
		is(scalar(() = $server->err =~ /LISTEN_PID/g), 1, "one");
		is($server->ask("/hello")->{status}, 200, "it binds itself");
		$server->stop;

		open(my $file, "<", "/dev/null");
		my ($status, $text) = launch(workers => $workers,
		    before => sub { pass_sockets($file) })->outcome;
		is($status, 78, "a descriptor that does not listen: 78");
		like($text, qr/LISTEN_FDS: descriptor 3 is not a listening socket/,
		    "it is named");

		my @sockets = map { IO::Socket::INET->new(Listen => 5,
		    LocalAddr => "127.0.0.1") } 1, 2;
		my @ports = map { $_->sockport } @sockets;
		$server = start(workers => $workers, bind => [],
		    before => sub { pass_sockets(@sockets) });
		is(join(" ", sort @{$server->{addresses}}), join(" ", sort
		    map { "http://127.0.0.1:$_/" } @ports),
		    "without --bind all of them are taken");
		is($server->ask("/hello")->{status}, 200, "and served");
		close($_) for @sockets;
		$server->stop;

		@sockets = map { IO::Socket::INET->new(Listen => 5,
		    LocalAddr => "127.0.0.1") } 1, 2;
		@ports = map { $_->sockport } @sockets;
		$server = start(workers => $workers, bind =>
		    ["127.0.0.1:$ports[1]"],
		    before => sub { pass_sockets(@sockets) });
		close($_) for @sockets;
		is($server->ask("/hello")->{status}, 200,
		    "with --bind the one of that address is");
		ok($server->log_like(qr/WARNING the socket that was passed for 127\.0\.0\.1:$ports[0] is closed/),
		    "and the other one is said to be closed");
		is(IO::Socket::INET->new(PeerAddr => "127.0.0.1",
		    PeerPort => $ports[0]), undef, "it is");
		$server->stop;
	}
};

subtest "Exit statuses of what cannot be had" => sub {
	my @cases = (
		[73, qr/cannot listen on unix:\S+: File exists \(it is no socket/,
		    "--bind=unix:" . write_file("$dir/file", "precious")],
		[73, qr/cannot listen on unix:\S+: No such file/,
		    "--bind=unix:$dir/none/socket"],
		[73, qr/cannot write the pidfile \S+: No such file.*--pidfile/,
		    "--pidfile=$dir/none/pid"],
		[73, qr/cannot open the log \S+: No such file/,
		    "--error-log=$dir/none/log"],
		[69, qr/cannot listen on 192\.0\.2\.1:80: .*no interface/,
		    "--bind=192.0.2.1:80"],
		[66, qr/--chdir=\S+: No such file/, "--chdir=$dir/none"],
		[66, qr/--chroot=\S+: Not a directory/,
		    "--chroot=$dir/file"],
		[66, qr/--spool-dir=\S+: No such file/,
		    "--spool-dir=$dir/none"],
		[66, qr/--config=\S+: No such file/, "--config=$dir/none"],
		[67, qr/--user=nosuchuser: there is no such user/,
		    "--user=nosuchuser"],
		[67, qr/--group=nosuchgroup: there is no such group/,
		    "--group=nosuchgroup"],
	);

	for my $case (@cases) {
		my ($expected, $pattern, @args) = @$case;
		my ($status, $text) = launch(args => \@args, bind =>
		    [grep { !/bind/ } "127.0.0.1:0"])->outcome;

		is($status, $expected, "@args: $expected");
		like($text, $pattern, "with thing, reason and remedy");
		is(scalar(() = $text =~ /\n/g), 1, "in one line");
	}
	is(slurp("$dir/file"), "precious", "the file is as it was");
};

subtest "Both families of localhost, or the one there is" => sub {
	my $server = start(bind => ["localhost:0"]);

	is($server->ask("/hello")->{status}, 200, "served");
	$server->stop;
	my ($status, $text) = run_command("unshare", "--net", "sh", "-c",
	    "ip link set lo up && " .
	    "echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6 && " .
	    "exec timeout -s TERM 1 $supervised --bind=localhost:8080");
	SKIP: {
		skip "no network namespace", 1 if $text =~ /unshare: /;
		like($text, qr{^Listening on http://127\.0\.0\.1:8080/$}m,
		    "a machine without ::1");
	}
};
done_testing;
