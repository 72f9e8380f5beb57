# Upgrade: the master executes the new program in place, and the old one
# again when that is no good.
use strict;
use warnings;
use File::Copy qw(copy);
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use IO::Socket::INET;
use Test::More;
use Time::HiRes qw(time sleep);
use Tine::Test;

my $dir = tempdir(CLEANUP => 1);
my $noise = qr/worker \d|reload failed|in a row|upgrade|this version failed|cut off|file is kept/;
my %library = (LD_LIBRARY_PATH => build(".libs"));

# A server that is a program of its own, greeting with a word.
sub program_server {
	my ($name, %o) = @_;
	my $program = variant(binary("t/target"), "$dir/$name", "first");

	return start(program => $program, workers => 2, quiet => $noise, %o,
	    env => { %library, %{$o{env} // {}} });
}

sub new_program {
	my ($server, $word) = @_;
	return variant(binary("t/target"), $server->{program}, $word);
}

# In the program's place: a script that runs it when it has done its part.
sub wrap {
	my ($server, $script, $word) = @_;
	my $real = variant(binary("t/target"), "$server->{program}.real",
	    $word // "other");

	spew($server->{program}, "#!/bin/bash\n$script\n" .
	    "exec -a \"\$0\" $real \"\$\@\"\n");
	chmod(0755, $server->{program});
}

sub word {
	my $server = shift;
	return ($server->ask("/hello")->{body} // "") =~ /Hello, (\w+)!/
	    ? $1 : "nothing";
}

sub upgrades {
	my ($server, $word) = @_;
	ok($server->tell("USR2", qr/reloaded: \d+ workers/), "upgraded");
	is(word($server), $word, "the new one answers: $word");
}

# A server that serves, its workers all there; none of another image is left.
sub is_well {
	my ($server, $word, $count) = @_;
	is(word($server), $word, "$word answers");
	ok((wait_for { $server->workers_of == ($count // 2) }), "all workers");
}

# As a master does whose workers are its own again.
sub replaces_each {
	my $server = shift;

	for my $victim ($server->workers_of) {
		kill("KILL", $victim);
		ok((wait_for { my @now = $server->workers_of;
		    @now == 2 && !grep { $_ == $victim } @now }),
		    "a worker that dies is replaced");
	}
}

for my $mode (@modes) {
	subtest "67. 3 upgrades under load: no failure, same pid, the new " .
	    "reply; descriptors do not grow; Unix socket there ($mode)" =>
	    sub {
		my $path = "$dir/67-$mode.sock";
		my $server = program_server("many-$mode", mode => $mode,
		    workers => 4, bind => ["127.0.0.1:0", "unix:$path"]);
		my @idle = $server->idle_clients(50);
		my $descriptors = descriptors_of($server->{pid});
		my $inode = (stat $path)[1];
		my $upgrades = 0;
		my ($good, $bad) = under_load($server, sub {
			for my $i (1 .. 3) {
				new_program($server, "load$i");
				$upgrades++ if $server->tell("USR2",
				    qr/reloaded: 4 workers/);
			}
		});
		is($upgrades, 3, "three upgrades");
		is($bad, 0, "of $good requests none fails");
		is_well($server, "load3", 4);
		ok(alive($server->{pid}), "the same process");
		is($server->still_answered(@idle), 50,
		    "idle connections have outlived them");
		ok((wait_for { descriptors_of($server->{pid}) ==
		    $descriptors } 5), "no descriptor is left over");
		is((stat $path)[1], $inode, "the Unix socket is the same");
		my $local = $server->connection(unix => $path);
		$local->send(request("/hello"));
		is($local->reply->{status}, 200, "and served");
		$server->stop;
		ok(!-e $path, "and goes with the server");
	};
}

subtest "68. new binary: missing, not executable, wrong format, exits 78, " .
    "hangs, crashes: the old one serves on and says why; a later good one " .
    "works" => sub {
	my $init = "$dir/init-68";
	spew($init, "");
	my $server = program_server("bad", env => { TARGET_INIT => $init },
	    args => ["--start-timeout=" . slow() . "s"]);
	my $program = $server->{program};
	my @before = $server->workers_of;
	my @idle = $server->idle_clients(10);
	my $stays = sub {
		my ($what, $pattern) = @_;

		ok($server->tell("USR2", qr/no upgrade: .*$pattern/, 10),
		    $what) or diag(tail_of($server->err));
		is(word($server), "first", "the old one serves");
		is(join(" ", $server->workers_of), "@before", "unchanged");
	};
	rename($program, "$program.good");
	$stays->("missing", qr/No such file/);
	spew($program, "x");
	chmod(0644, $program);
	$stays->("not executable", qr/Permission denied/);
	spew($program, "\x7fELF nothing");
	chmod(0755, $program);
	$stays->("wrong format", qr/Exec format error/);
	spew($program, "#!/bin/sh\necho broken >&2\nexit 78\n");
	chmod(0755, $program);
	$stays->("exits 78", qr/status 78: broken/);
	copy("/bin/true", $program);
	chmod(0755, $program);
	$stays->("another program", qr/does not know --test/);
	spew($program, "#!/bin/sh\nsleep 1000\n");
	chmod(0755, $program);
	$stays->("hangs", qr/signal 9/);

	my $returns = sub {
		my ($what) = @_;

		ok($server->tell("USR2", qr/the upgrade failed: .*worker/, 10),
		    $what) or diag(tail_of($server->err));
		spew($init, "");
		is_well($server, "first");
		is($server->still_answered(@idle), 10, "idle ones, too");
		@idle = ();
		replaces_each($server);
		is_well($server, "first");
		@idle = $server->idle_clients(10);
	};
	for my $how ("crash", "fail", "sleep 60000") {
		new_program($server, "other");
		spew($init, $how);
		$returns->("worker_init: $how");
	}
	upgrades($server, "other");
	is($server->still_answered(@idle), 10, "idle ones are answered");
	$server->stop;
};

subtest "68. the new one fails behind its --test: the old one has its " .
    "options, addresses, module and logs as before" => sub {
	my $taken = IO::Socket::INET->new(LocalAddr => "127.0.0.1",
	    Listen => 1) or die;
	my $config = "$dir/68.conf";
	my $module = variant(build("t/target.so"), "$dir/68.so", "first");
	my $program = variant(binary("bin/tine"), "$dir/68-tine");
	my $good = "workers 2\nbind 127.0.0.1:0\nkeep-alive 60\n" .
	    "log $dir/68-logs/log\npidfile $dir/68.pid\n";
	make_path("$dir/68-logs");
	spew($config, $good);
	my $server = start(program => $program, bare => 1, quiet => $noise,
	    args => ["--config=$config", $module], env => \%library);
	my @idle = $server->idle_clients(10);
	my $returns = sub {
		my ($what, $pattern) = @_;

		ok($server->tell("USR2", qr/the upgrade failed: .*$pattern/,
		    15), $what) or diag(tail_of($server->err));
		is_well($server, "first");
		is($server->still_answered(@idle), 10, "idle ones, too");
		ok(-e "$dir/68.pid", "the pidfile is there");
		replaces_each($server);
		is_well($server, "first");
		@idle = $server->idle_clients(10);
	};
	variant(build("t/target.so"), $module, "other");
	spew($config, "$good\nbind 127.0.0.1:" . $taken->sockport . "\n");
	$returns->("an address in use", qr/in use/);
	spew($config, "workers 0\n");
	$returns->("no master", qr/workers=0/);
	spew($config, "wrong 1\n");
	rename("$dir/68-logs", "$dir/68-gone");
	ok($server->tell("USR2", qr/no upgrade: .*wrong/), "a wrong option");
	is_well($server, "first");
	spew($config, $good);
	ok($server->tell("USR2", qr/the old file is kept/),
	    "logs whose directory is gone are kept");
	ok($server->log_like(qr/reloaded: 2/), "and it is upgraded");
	is_well($server, "other");
	ok((wait_for { slurp("$dir/68-gone/log") =~
	    m{GET /hello.*GET /hello}s }), "the log goes on");
	$server->stop;
	ok(!-e "$dir/68.pid", "the pidfile goes with the server");
};

subtest "69. USR2 twice, USR2 during a reload: one after the other or " .
    "refused with a line, nothing lost" => sub {
	my $init = "$dir/init-69";
	spew($init, "");
	my $server = program_server("twice", env => { TARGET_INIT => $init });
	wrap($server, 'case $* in *--test*) sleep 0.5;; esac');
	my ($good, $bad) = under_load($server, sub {
		kill("USR2", $server->{pid});
		ok($server->log_like(qr/trying/), "the first is tried");
		ok($server->tell("USR2", qr/running already/), "twice");
		kill("HUP", $server->{pid});
		ok((wait_for { 2 == (() = $server->err =~ /reloaded: 2/g) }
		    15), "the upgrade, and the reload asked for meanwhile");
		new_program($server, "third");
		spew($init, "sleep 300");
		kill("HUP", $server->{pid});
		ok($server->log_like(qr/reloading/), "a reload");
		kill("USR2", $server->{pid});
		ok((wait_for { 4 == (() = $server->err =~ /reloaded: 2/g) }
		    15), "then the upgrade");
	});
	is($bad, 0, "of $good requests none fails");
	is_well($server, "third");
	$server->stop;
};

subtest "70. master killed by -9 between exec and the first new worker" =>
    sub {
	my $init = "$dir/init-70";
	spew($init, "");
	for my $mode (@modes) {
		my $server = program_server("killed-$mode", mode => $mode,
		    env => { TARGET_INIT => $init });
		my $busy = $server->connection;
		$busy->send(request("/sleep?ms=60000"));
		spew($init, "sleep 60000");
		kill("USR2", $server->{pid});
		ok($server->log_like(qr/upgraded to/), "$mode: in the trial");
		wait_for { $server->workers_of == 3 };
		kill("KILL", $server->{pid});
		ok(defined $server->ended, "killed");
		ok((wait_for { !$server->members } 2), "nobody is left") or
		    diag(join(" ", $server->members));
		# A process counts as gone before its last thread has.
		ok((wait_for { !$server->connection } 2),
		    "and the port is free");
		spew($init, "");

		$server = program_server("asleep-$mode", mode => $mode);
		wrap($server, '[ -z "$TINE_STATE" ] || exec sleep 100');
		my @workers = $server->workers_of;
		kill("USR2", $server->{pid});
		ok((wait_for { slurp("/proc/$server->{pid}/cmdline") =~
		    /^sleep/ }), "before it is a master");
		kill("KILL", $server->{pid});
		ok(defined $server->ended, "killed");
		ok((wait_for { !$server->members } 2), "nobody is left");
	}
};

# Starts by a shell's line in a directory; the rest is as start() has it.
sub start_in {
	my ($where, $line, %o) = @_;
	return start(program => "/bin/bash", bare => 1, quiet => $noise, %o,
	    args => ["-c", "cd $where && exec $line"],
	    env => { %library, %{$o{env} // {}} });
}

subtest "71. started by relative path and PATH lookup, then --chdir, " .
    "--chroot: upgrade finds the binary; a release switched by its link" =>
    sub {
	my $options = "--bind=127.0.0.1:0 --workers=2";
	my $place = "$dir/71";
	make_path("$place/bin", "$place/work");
	my $program = "$place/bin/serve-71";
	my $again = sub { variant(binary("t/target"), $program, shift) };
	my %lines = (
		"relative path" => "./bin/serve-71 $options",
		"relative path, --chdir" =>
		    "bin/serve-71 $options --chdir=work",
		"PATH lookup" => "serve-71 $options --chdir=/",
		"PATH, relative" => "serve-71 $options --chdir=/",
		"another name" => "-a no-such-name ./bin/serve-71 $options",
	);
	$lines{"--chroot"} = "./bin/serve-71 $options --chroot=work --spool-dir=/"
	    if $> == 0;
	for my $how (sort keys %lines) {
		$again->("first");
		my $server = start_in($place, $lines{$how}, env => {
			$how eq "PATH lookup"
			    ? (PATH => "$place/bin:$ENV{PATH}") : (),
			$how eq "PATH, relative"
			    ? (PATH => "bin:$ENV{PATH}") : ()
		});
		is(word($server), "first", $how);
		if ($how eq "another name") {
			# What runs has no other name than its file.
			ok($server->tell("USR2", qr/reloaded/), "upgraded");
		} else {
			$again->("other");
			upgrades($server, "other");
			$again->("third");
			upgrades($server, "third");
		}
		$server->stop;
	}

	for my $release ("one", "two") {
		make_path("$place/$release/bin");
		variant(binary("bin/tine"), "$place/$release/bin/tine");
		variant(build("t/target.so"), "$place/$release/app.so",
		    $release eq "one" ? "first" : "other");
	}
	for my $how ("in it", "by it", "reload") {
		unlink("$place/current");
		symlink("one", "$place/current") or die;
		my $server = $how eq "in it"
		    ? start_in("$place/current", "./bin/tine $options app.so")
		    : start_in($place,
		    "current/bin/tine $options current/app.so");
		is(word($server), "first", "a link to the release, $how");
		symlink("two", "$place/next") or die;
		rename("$place/next", "$place/current") or die;
		if ($how eq "reload") {
			ok($server->tell("HUP", qr/reloaded/), "reloaded");
			is(word($server), "other", "the new module");
		} else {
			upgrades($server, "other");
			like(readlink("/proc/$server->{pid}/exe"),
			    qr{/two/bin/tine$}, "the new release runs");
		}
		$server->stop;
	}
};

subtest "71. --daemon, with a pidfile, relative names and --chdir" => sub {
	my $place = "$dir/71-daemon";
	make_path("$place/work");
	my $program = variant(binary("t/target"), "$place/serve", "first");
	my $socket = IO::Socket::INET->new(LocalAddr => "127.0.0.1",
	    Listen => 1) or die;
	my $port = $socket->sockport;
	close($socket);
	my ($status) = run_command("env", "LD_LIBRARY_PATH=" . build(".libs"),
	    "bash", "-c", "cd $place && ./serve --daemon --workers=2 " .
	    "--chdir=work --pidfile=pid --error-log=err --log=none " .
	    "--bind=127.0.0.1:$port");
	is($status, 0, "started");
	my ($pid) = slurp("$place/pid") =~ /^(\d+)/;
	my $server = bless { pid => $pid, port => $port, err => "$place/err",
	    program => $program }, "Tine::Test";
	is(word($server), "first", "it serves");
	variant(binary("t/target"), $program, "other");
	upgrades($server, "other");
	is((slurp("$place/pid") =~ /^(\d+)/)[0], $pid, "the pidfile stays");
	ok($server->tell("HUP", qr/reloaded/), "a reload after it");
	kill("TERM", $pid);
	ok((wait_for { !alive($pid) }), "TERM ends it");
	ok(!-e "$place/pid", "the pidfile is gone");
};

subtest "72. TERM, HUP, USR1 in each phase of an upgrade: one server or " .
    "none at the end, as asked" => sub {
	my %phases = (
		"the try" => ['case $* in *--test*) sleep 0.6;; esac',
		    sub { $_[0]->log_like(qr/trying/) }],
		"the start" => ['[ -z "$TINE_STATE" ] || sleep 0.6',
		    sub { my $server = shift; wait_for {
		    slurp("/proc/$server->{pid}/cmdline") =~ /bash/ } }],
		"the trial" => ['[ -z "$TINE_STATE" ] || ' .
		    'echo "sleep 600" >"$TARGET_INIT"',
		    sub { $_[0]->log_like(qr/upgraded to/) }],
	);
	my $i = 0;
	for my $phase (sort keys %phases) {
		for my $signal ("TERM", "HUP", "USR1", "INT") {
			my $init = "$dir/init-72-" . $i++;
			spew($init, "");
			my $log = "$init.log";
			my $server = program_server("phase-$i",
			    env => { TARGET_INIT => $init },
			    args => ["--log=$log"]);
			my $busy = $server->connection;
			wrap($server, $phases{$phase}[0]);
			kill("USR2", $server->{pid});
			ok($phases{$phase}[1]->($server), "in $phase");
			$busy->send(request("/sleep?ms=300"))
			    if $signal ne "INT";
			sleep 0.05;
			rename($log, "$log.old");
			kill($signal, $server->{pid});
			is($busy->reply->{status}, 200, "$signal: in hand")
			    if $signal ne "INT";
			if ($signal eq "TERM" || $signal eq "INT") {
				is($server->ended, 0, "$signal: none, 0");
				ok((wait_for { !$server->members } 3),
				    "nobody is left");
				next;
			}
			my $wanted = $signal eq "HUP" ? 2 : 1;
			ok((wait_for { $wanted == (() = $server->err =~
			    /reloaded: 2/g) } 10), "$signal: $wanted times");
			is_well($server, "other");
			ok((wait_for { slurp($log) =~ m{GET /hello} }),
			    "the log is the new one") if $signal eq "USR1";
			$server->stop;
		}
	}
};

subtest "73. pid 1 in a pid namespace: upgrade, then TERM to pid 1: " .
    "graceful, status 0; orphans reaped before and after" => sub {
	my @unshare = ("unshare", "--pid", "--fork", "--mount-proc",
	    "--kill-child");
	my ($status) = run_command(@unshare, "true");
	plan skip_all => "no pid namespace can be made" if $status != 0;
	my $program = variant(binary("t/target"), "$dir/one", "first");
	my $server = start(program => "/bin/sh", bare => 1, quiet => $noise,
	    args => ["-c", "exec @unshare $program --workers=2 " .
	    "--bind=127.0.0.1:0"], env => \%library);
	my ($first) = $server->workers_of;
	is((slurp("/proc/$first/status") =~ /^NSpid:\s+\d+\s+(\d+)/m)[0], 1,
	    "it is pid 1");
	my $inside = bless { %$server, pid => $first, stopped => 1 },
	    ref $server;
	my $orphans = sub {
		# Children of a shell that ends are pid 1's.
		system("nsenter", "-t", $first, "-p", "-m", "--", "sh", "-c",
		    "for i in 1 2 3 4 5; do sleep 0.2 & done");
		ok((wait_for { !grep { /^\d+ \(.*\) Z $first /s }
		    map { slurp($_) } glob("/proc/[0-9]*/stat") } 3),
		    "no zombie is left");
	};
	$orphans->();
	variant(binary("t/target"), $program, "other");
	upgrades($inside, "other");
	$orphans->();
	my $busy = $inside->connection;
	$busy->send(request("/sleep?ms=500"));
	sleep 0.1;
	kill("TERM", $first);
	is($busy->reply->{status}, 200, "TERM: what is in hand is answered");
	is($server->ended, 0, "status 0");
	unlike($server->err, qr/died/, "no orphan is taken for a worker");
};

subtest "74. a state of a newer or unknown version: the new binary says so " .
    "and execs the old one back" => sub {
	my $server = program_server("version");
	my @idle = $server->idle_clients(10);
	my @before = $server->workers_of;
	my $descriptors = descriptors_of($server->{pid});

	for my $change ('seek($f, 4, 0); print $f pack("L", 99)',
	    'seek($f, 8, 0); print $f pack("L", 7)',
	    'truncate($f, 44)') {
		wrap($server, 'if [ -n "$TINE_STATE" ]; then perl -e \'' .
		    'open($f, "+>&=", shift) or die; ' . $change . '\' ' .
		    '"$TINE_STATE"; fi');
		ok($server->tell("USR2", qr/the upgrade failed: .*state/),
		    $change);
		is(join(" ", $server->workers_of), "@before", "unchanged");
		is(word($server), "first", "it serves");
	}
	is($server->still_answered(@idle), 10, "idle ones are answered");
	is(descriptors_of($server->{pid}), $descriptors, "no descriptor more");
	new_program($server, "other");
	upgrades($server, "other");
	$server->stop;
};

subtest "75. RELOADING and READY reach the notify socket around an " .
    "upgrade; MAINPID stays" => sub {
	my $manager = notify_socket();
	my $init = "$dir/init-75";
	spew($init, "");
	my $server = program_server("notify", env => {
	    NOTIFY_SOCKET => $manager->{path}, TARGET_INIT => $init,
	    WATCHDOG_USEC => 400000 });
	my $sent = sub {
		my $what = shift;
		$manager->clear;
		kill("USR2", $server->{pid});
		ok($manager->wait_like(qr/^READY=1/m), $what);
		sleep 0.3;
		my @got = grep { !/^WATCHDOG/ } $manager->messages;
		is(join(" ", map { /^(\w+=1)/ } @got), "RELOADING=1 READY=1",
		    "RELOADING, then READY");
		like($got[0], qr/^MONOTONIC_USEC=\d+$/m, "with the time");
		ok(!(grep { /^MAINPID=(\d+)/m && $1 != $server->{pid} }
		    @got), "MAINPID stays");
		return $got[-1];
	};
	new_program($server, "other");
	like($sent->("upgrade"), qr/STATUS=2 workers/, "the count");
	is(word($server), "other", "the new one");
	$manager->clear;
	ok($manager->wait_like(qr/^WATCHDOG=1/), "the watchdog goes on");
	spew($init, "crash");
	like($sent->("the new one crashes"), qr/STATUS=the upgrade failed/,
	    "STATUS says it");
	spew($init, "");
	wrap($server, "echo broken; exit 3");
	like($sent->("the try fails"), qr/STATUS=no upgrade: .*broken/,
	    "STATUS says why");
	rename($server->{program}, "$server->{program}.gone");
	like($sent->("not there"), qr/STATUS=no upgrade/, "STATUS says it");
	my ($worker) = $server->workers_of;
	unlike(slurp("/proc/$worker/environ"), qr/NOTIFY_SOCKET|TINE_STATE/,
	    "a worker has none of it");
	$server->stop;
};

subtest "sockets that a service manager passed outlive an upgrade" => sub {
	local $^F = 100;	# it is for the server
	my $passed = IO::Socket::INET->new(LocalAddr => "127.0.0.1",
	    Listen => 5) or die;
	my $program = variant(binary("t/target"), "$dir/passed", "first");
	my $port = $passed->sockport;
	my $server = start(program => "/bin/bash", bare => 1,
	    quiet => $noise, args => ["-c", 'exec 3<&' . fileno($passed) .
	    '; LISTEN_PID=$$ LISTEN_FDS=1 exec ' . "$program --workers=2"],
	    env => \%library, passed => $passed);
	is($server->{port}, $port, "it serves there");
	for my $word ("other", "third") {
		variant(binary("t/target"), $program, $word);
		upgrades($server, $word);
	}
	$server->stop;
};

subtest "a program that binds by itself before tine_main: refused with the " .
    "reason" => sub {
	my $manager = notify_socket();
	my $server = start(program => build("t/supervised"), workers => 2,
	    bind => [], quiet => $noise, env => { BIND => "127.0.0.1:0",
	    NOTIFY_SOCKET => $manager->{path} });
	my $port = $server->{port};
	my @idle = $server->idle_clients(5);

	ok($port, "it listens where it has bound");
	ok($server->tell("USR2",
	    qr/no upgrade: this program has bound .*tine_main_server.*--bind.*goes on$/m),
	    "USR2: refused");
	ok($manager->wait_like(qr/READY=1\nSTATUS=no upgrade: .*bound/),
	    "the service manager is told");
	unlike($server->err, qr/trying/, "nothing is tried");
	is($server->still_answered(@idle), 5, "it serves on");
	ok($server->tell("HUP", qr/reloaded: 2/), "a reload works");
	is($server->ask("/hello")->{status}, 200, "and it listens there");
	$server->stop;
};

subtest "upgrade during elastic growth, with uploads, slow readers, event " .
    "streams and children in hand" => sub {
	for my $mode (@modes) {
		my $server = program_server("elastic-$mode", mode => $mode,
		    workers => "2-6", args => ["--spare=1-2"]);
		my @busy = map { my $c = $server->connection;
		    $c->send(request("/sleep?ms=3000")); $c } 1 .. 5;
		my @readers = map { my $c = $server->connection;
		    $c->send(request("/big?bytes=6000000")); $c } 1 .. 2;
		my $half = request("/echo", method => "POST",
		    body => "x" x 300000);
		my @uploads = map { my $c = $server->connection;
		    $c->send(substr($half, 0, 100000)); $c } 1 .. 2;
		wait_for { $server->workers_of > 2 } 3;
		my $grown = $server->workers_of;
		new_program($server, "other");
		ok($server->tell("USR2", qr/reloaded/), "$mode: upgraded");
		cmp_ok(scalar $server->workers_of, ">=", $grown,
		    "no smaller than before");
		$_->send(substr($half, 100000)) for @uploads;
		is(scalar(grep { $_->reply->{status} == 200 } @busy), 5,
		    "slow requests are answered");
		is(scalar(grep { is_pattern($_->reply->{body}, 6000000) }
		    @readers), 2, "slow readers get all");
		is(scalar(grep { ($_->reply->{body} // "") =~
		    /length=300000/ } @uploads), 2, "uploads arrive whole");
		is(word($server), "other", "the new one answers");
		$server->stop;
	}
};
done_testing;
