# Supervision, cases 42 to 46: a master and workers that are short of
# processes, of descriptors, of readers of their log, and of their children.
use strict;
use warnings;
use File::Temp qw(tempdir);
use Test::More;
use Time::HiRes qw(time sleep);
use Tine::Test;

my $noise = qr/worker \d|child \d|in a handler|in a row|cannot fork|reload/;
my $is_sanitized = ($ENV{TINE_SANITIZER} // "no") ne "no";

sub wreck {
	my %o = (args => [], @_);

	return start(program => build("t/wreck"), workers => 2,
	    quiet => $noise, %o, args => ["--drain-idle=0.1", @{$o{args}}]);
}

sub count_like {
	my ($server, $pattern) = @_;
	my $count = () = $server->err =~ /$pattern/g;

	return $count;
}

sub has_workers {
	my ($server, $count) = @_;
	my @now = $server->workers_of;

	return @now == $count;
}

subtest "42. injected EAGAIN, ENOMEM at fork for 5 s: the rest serves, the number is restored, two log lines in all" => sub {
	plan skip_all => "a sanitizer wants to be loaded first" if $is_sanitized;
	my @tries = ((map { [$_, POSIX::EAGAIN()] } @modes),
	    ["single", POSIX::ENOMEM()]);

	for my $try (@tries) {
		my $dir = tempdir(CLEANUP => 1);

		$try->[2] = $dir;
		$try->[3] = wreck(mode => $try->[0], workers => 4,
		    env => { LD_PRELOAD => build("t/preload.so"),
			PRELOAD => $dir });
		$try->[3]->ask("/hello") for 1 .. 8;
		spew("$dir/fork", $try->[1]);
		kill("KILL", ($try->[3]->workers_of)[0, 1]);
	}
	# In mode fork there are children, too, that cannot be forked.
	for (1 .. 10) {
		sleep 0.5;
		for my $try (@tries) {
			next if $try->[0] eq "fork";
			my $status = $try->[3]->ask("/hello")->{status};
			fail("$try->[0]: the rest serves") if $status != 200;
		}
	}
	for my $try (@tries) {
		my ($mode, $error, $dir, $server) = @$try;

		ok(has_workers($server, 2), "$mode, $error: two are left");
		unlink("$dir/fork");
		ok((wait_for { has_workers($server, 4) } 6),
		    "the number is restored");
		is(count_like($server, qr/cannot fork a worker/), 1,
		    "one line when it begins");
		ok($server->log_like(qr/workers can be forked again/),
		    "one when it ends");
		is($server->ask("/hello")->{status}, 200, "it serves");
		$server->stop;
	}
};

subtest "43. RLIMIT_NOFILE of the master lowered below use: serves, logs, reload refused; raised: reload works" => sub {
	plan skip_all => "no prlimit" if (run_command("prlimit", "--version"))[0];
	for my $mode (@modes) {
		my $server = wreck(mode => $mode, quiet => qr/./);
		my ($soft) = slurp("/proc/$server->{pid}/limits") =~
		    /^Max open files\s+(\d+)/m;

		run_command("prlimit", "--pid=$server->{pid}", "--nofile=5:");
		is($server->ask("/hello")->{status}, 200, "$mode: it serves");
		kill("KILL", ($server->workers_of)[0]);
		ok($server->log_like(qr/cannot fork a worker: Too many open files/),
		    "it says why there is none");
		is($server->ask("/hello")->{status}, 200, "it serves on");
		ok($server->tell("HUP", qr/reload failed: .*Too many open files/, 5),
		    "a reload is refused with the reason");
		run_command("prlimit", "--pid=$server->{pid}",
		    "--nofile=$soft:");
		ok((wait_for { has_workers($server, 2) } 10), "raised: two");
		kill("HUP", $server->{pid});
		ok((wait_for { $server->err =~ /reloaded: 2 workers/ } 10),
		    "and a reload works");
		$server->stop;
	}
};

subtest "43. descriptors of master and workers are equal before and after reloads and deaths" => sub {
	my ($reloads, $deaths) = $ENV{TINE_LONG} ? (50, 200) : (8, 30);

	for my $mode (@modes) {
		my $server = wreck(mode => $mode);
		my $count = sub {
			wait_for { has_workers($server, 2) } 5;
			$server->ask("/hello") for 1 .. 4;
			# What is on its way between them is no leak.
			sleep 0.7;
			return join(" ", map { descriptors_of($_) }
			    $server->{pid}, $server->workers_of);
		};

		$server->tell("HUP", qr/reloaded: 2/);
		my $before = $count->();
		for (1 .. $deaths) {
			$server->ask("/hello");
			kill("KILL", ($server->workers_of)[0]);
		}
		wait_for { has_workers($server, 2) } 5;
		$server->tell("HUP", qr/reloaded: 2/) for 1 .. $reloads;
		wait_for { has_workers($server, 2) } 5;
		is($count->(), $before, "$mode: $before descriptors");
		$server->stop;
	}
};

subtest "44. the accepting worker's EMFILE: neither spin nor death" => sub {
	for my $mode (@modes) {
		my $server = wreck(mode => $mode, workers => 1, nofile => 128,
		    quiet => qr/./);
		my ($worker) = $server->workers_of;
		my @clients = grep { defined } map { $server->connection }
		    1 .. 200;

		$clients[0]->is_quiet(0.3);
		my $before = cpu_of($worker);
		sleep 1;
		cmp_ok(cpu_of($worker) - $before, "<", 0.3,
		    "$mode: it does not spin");
		ok(alive($worker), "it lives");
		$_->close for @clients;
		is($server->ask("/hello")->{status}, 200, "it serves");
		my $lines = () = $server->err =~ /\n/g;
		cmp_ok($lines, "<", 400, "and does not log without end");
		$server->stop;
	}
};

# --- 45

subtest "45. the master's standard error is a full pipe nobody reads: supervision goes on; then a line tells how many were lost" => sub {
	for my $mode (@modes) {
		pipe(my $in, my $out) or die "pipe: $!";
		my $server = wreck(mode => $mode, quiet => qr/./,
		    args => ["--log=none"], before => sub {
			open(STDERR, ">&", $out);
		    });

		# The description is the server's too: it must be able to block.
		$out->blocking(0);
		1 while defined syswrite($out, "x" x 4096);
		1 while defined syswrite($out, "x");
		$out->blocking(1);
		for (1 .. 6) {
			$server->ask("/hello");
			kill("KILL", ($server->workers_of)[0]);
			wait_for { has_workers($server, 2) } 5;
		}
		ok(has_workers($server, 2), "$mode: the dead are replaced");
		is($server->ask("/hello")->{status}, 200, "it serves");
		my $text = "";
		$in->blocking(0);
		ok((wait_for {
			sysread($in, $text, 65536, length $text);
			$text =~ /\d+ lines of this log were lost/
		} 5), "when it is read again it tells of lost lines");
		wait_for { has_workers($server, 2) } 5;
		$server->stop;
		close($in);
	}
};

subtest "45. the log's disk is full: likewise" => sub {
	plan skip_all => "no /dev/full" unless -c "/dev/full";
	my $server = wreck(args => ["--error-log=/dev/full",
	    "--log=/dev/full"]);

	for (1 .. 5) {
		is($server->ask("/hello")->{status}, 200, "served");
		kill("KILL", ($server->workers_of)[0]);
		ok((wait_for { has_workers($server, 2) } 5), "replaced");
	}
	is($server->ask("/crash?how=null")->{status}, 500, "a crash: 500");
	is($server->ask("/hello")->{status}, 200, "it serves");
	$server->stop;
};

subtest "46. a hook calls system(3) and waitpid(-1) in the master: no worker lost from the count; an unknown child's status means nothing" => sub {
	for my $mode (@modes) {
		my $dir = tempdir(CLEANUP => 1);
		my $server = wreck(mode => $mode, workers => 3,
		    env => { WRECK => $dir }, quiet => qr/./);

		spew("$dir/careless", "");
		for (1 .. 5) {
			my @now = $server->workers_of;
			$server->ask("/hello") for 1 .. 6;
			kill("KILL", @now[0, 1]);
			kill("HUP", $server->{pid});
			ok((wait_for { !alive($now[0]) && !alive($now[1]) &&
			    has_workers($server, 3) } 10),
			    "$mode: three again");
		}
		wait_for { $server->err =~ /reloaded: 3/ } 10;
		is($server->ask("/hello")->{status}, 200, "it serves");
		$server->stop;
	}
};
done_testing;
