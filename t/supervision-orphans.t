# Supervision, cases 47 to 50: no process outlives its master or its worker,
# and the master signals nobody but its own.
use strict;
use warnings;
use File::Copy qw(copy);
use File::Temp qw(tempdir);
use Test::More;
use Time::HiRes qw(time sleep);
use Tine::Test;

my $noise = qr/worker \d|child \d|in a handler|in a row|forker has died|reload|upgrade/;

# Idle connections have little time at a stop, since there are many stops.
sub wreck {
	my %o = (args => [], @_);

	return start(program => build("t/wreck"),
	    quiet => $noise, %o, args => ["--drain-idle=0.1", @{$o{args}}]);
}

# Kills the masters and looks after what is left of each: nothing after 2 s.
sub nobody_is_left {
	my ($what, @servers) = @_;

	kill("KILL", $_->{pid}) for @servers;
	my $end = time + 2 * slow();
	$_->ended(5) for @servers;
	for my $server (@servers) {
		my $left = $end - time;

		# A process whose threads are still ending has its port still.
		ok((wait_for { !$server->members && !$server->connection }
		    $left / slow()), "$server->{mode}, $what: no process " .
		    "after 2 s, and the port is free");
	}
}

subtest "47. kill -9 of the master: idle" => sub {
	nobody_is_left("idle", map { wreck(mode => $_, workers => 4) } @modes);
};

subtest "47. kill -9 of the master: under load" => sub {
	my @servers = map { wreck(mode => $_, workers => 2) } @modes;
	my @loads;

	for my $server (@servers) {
		my $pid = fork // die "fork: $!";
		if ($pid == 0) {
			my @clients = map { $server->connection } 1 .. 8;
			while (@clients) {
				$_->send(request("/hello")) for @clients;
				@clients = grep { $_->reply->{status} == 200 }
				    @clients;
			}
			POSIX::_exit(0);
		}
		push @loads, $pid;
	}
	sleep 0.3;
	nobody_is_left("under load", @servers);
	waitpid($_, 0) for @loads;
};

subtest "47. kill -9 of the master: with a 60 s handler, also one that blocks all signals, spins, or has closed its descriptors" => sub {
	for my $path ("/sleep?ms=60000", "/sleep?ms=60000&blocked",
	    "/hang?spin") {
		my @servers = map { wreck(mode => $_, workers => 2) } @modes;
		my @busy = map { my $c = $_->connection;
		    $c->send(request($path)); $c } @servers, @servers;

		$busy[0]->is_quiet(0.3);
		nobody_is_left($path, @servers);
	}
	my @servers = map { wreck(mode => $_, workers => 1) }
	    grep { $_ ne "fork" } @modes;
	my @busy = map { my $c = $_->connection;
	    $c->send(request("/close-sleep?ms=60000")); $c } @servers;
	sleep 0.3;
	nobody_is_left("closed", @servers) if @servers;
};

subtest "47. kill -9 of the master: with fork children" => sub {
	my $server = wreck(mode => "fork", workers => 2);
	my @busy = map { my $c = $server->connection;
	    $c->send(request("/sleep?ms=60000&blocked")); $c } 1 .. 10;
	$busy[0]->is_quiet(0.5);
	cmp_ok(scalar($server->members), ">=", 14, "there are children");
	nobody_is_left("children", $server);
} if grep { $_ eq "fork" } @modes;

subtest "47. kill -9 of the master: during reload, at several moments" => sub {
	for my $delay (0, 0.01, 0.03, 0.1) {
		my @servers = map { wreck(mode => $_, workers => 3) } @modes;

		kill("HUP", $_->{pid}) for @servers;
		sleep $delay;
		nobody_is_left("reload + $delay s", @servers);
	}
};

subtest "47. kill -9 of the master: during upgrade, at several moments" => sub {
	for my $delay (0.01, 0.1, 0.2, 0.3) {
		my @servers = map { wreck(mode => $_, workers => 2) } @modes;

		kill("USR2", $_->{pid}) for @servers;
		sleep $delay;
		nobody_is_left("upgrade + $delay s", @servers);
	}
};

subtest "47. kill -9 of the master: at once after the start" => sub {
	# With --user the change of user is among those moments.
	my @users = ([], $> == 0 && defined getpwnam("nobody")
	    ? ["--user=nobody"] : ());
	for my $delay (0, 0.005, 0.01, 0.02, 0.05) {
		my @servers = map { my $user = $_; map { launch(mode => $_,
		    program => build("t/wreck"), workers => 4,
		    quiet => $noise, args => $user) } @modes } @users;

		sleep $delay;
		kill("KILL", $_->{pid}) for @servers;
		$_->ended(5) for @servers;
		for my $server (@servers) {
			ok((wait_for { !$server->members } 2),
			    "$server->{mode}, $delay s: nobody is left");
		}
	}
};

subtest "47. kill -9 of the master: with --user" => sub {
	plan skip_all => "needs root" unless $> == 0;
	my @servers = map { wreck(mode => $_, workers => 2,
	    args => ["--user=nobody"]) } @modes;
	my @busy = map { my $c = $_->connection;
	    $c->send(request("/sleep?ms=60000")); $c } @servers, @servers;

	$busy[0]->is_quiet(0.3);
	nobody_is_left("--user", @servers);
};

subtest "48. kill -9 of a fork-mode worker: its children are gone within 1 s" => sub {
	my $server = wreck(mode => "fork", workers => 2);
	my ($worker) = $server->workers_of;
	my @busy = map { my $c = $server->connection;
	    $c->send(request("/sleep?ms=60000&blocked")); $c } 1 .. 10;

	$busy[0]->is_quiet(0.5);
	my @below = children($worker);
	cmp_ok(scalar @below, ">=", 3, "it has children");
	kill("KILL", $worker);
	ok((wait_for { !grep { alive($_) } @below } 1), "they are gone");
	ok((wait_for { my @now = $server->workers_of; @now == 2 } 2),
	    "it is replaced");
	is($server->ask("/hello")->{status}, 200, "it serves");
	$_->close for @busy;
	$server->stop("INT");
} if grep { $_ eq "fork" } @modes;

subtest "48. kill -9 of a forker: its worker leaves, and no connection is lost" => sub {
	my $server = wreck(mode => "fork", workers => 2);
	my @idle = $server->idle_clients(40);
	my ($worker) = $server->workers_of;
	my ($forker) = sort { $a <=> $b } children($worker);

	kill("KILL", $forker);
	ok((wait_for { !alive($worker) } 5), "the worker leaves");
	is($server->still_answered(@idle), 40, "idle connections live on");
	ok((wait_for { my @now = $server->workers_of; @now == 2 } 5),
	    "it is replaced");
	$server->stop;

	$server = wreck(mode => "fork", workers => 1);
	@idle = $server->idle_clients(20);
	($worker) = $server->workers_of;
	my $busy = $server->connection;
	$busy->send(request("/sleep?ms=30000"));
	$busy->is_quiet(0.2);
	kill("KILL", (sort { $a <=> $b } children($worker))[0]);
	is($busy->reply->{status}, 500, "the request in hand: 500");
	is($server->still_answered(@idle), 20, "also with one worker");
	$server->stop;
} if grep { $_ eq "fork" } @modes;

# --- 49

sub has_strace {
	my ($status) = run_command("sh", "-c",
	    "strace -f -o /dev/null true 2>/dev/null");
	return $status == 0;
}

subtest "49. no pid is signalled after reaping: strace of kill over deaths, reloads and stops" => sub {
	plan skip_all => "strace cannot trace here" unless has_strace();
	my $rounds = $ENV{TINE_LONG} ? 100 : 30;

	for my $mode (@modes) {
		my $dir = tempdir(CLEANUP => 1);
		# LeakSanitizer traces, too, and one is all there can be.
		my $server = start(program => "strace", bare => 1,
		    env => { ASAN_OPTIONS => ($ENV{ASAN_OPTIONS} // "") .
		    ":detect_leaks=0" },
		    mode => $mode, quiet => qr/./, args => ["-f", "-o",
		    "$dir/trace", "-e", "trace=kill,tgkill,wait4,clone," .
		    "clone3,fork,vfork", build("t/wreck"), "--mode=$mode",
		    "--workers=3", "--bind=127.0.0.1:0", "--timeout=1"]);
		my ($master) = $server->workers_of;
		ok($master, "$mode: traced") or next;
		for my $round (1 .. $rounds) {
			my @workers;

			wait_for { @workers = children($master) };
			$server->ask("/hello");
			kill("KILL", $workers[rand @workers]);
			kill("HUP", $master) if $round % 10 == 0;
			$server->ask("/hang") if $round % 15 == 0;
		}
		kill("TERM", $master);
		$server->ended(10);
		my ($sent, @wrong) = judge_trace("$dir/trace", $master);
		is(scalar @wrong, 0, "each of $sent targets was alive or " .
		    "a zombie of ours") or diag(join "\n", @wrong[0 .. 3]);
	}
};

# Every kill of the master's: its target must be a child that it has forked
# and not reaped.
sub judge_trace {
	my ($path, $master) = @_;
	my ($sent, %ours, @wrong) = (0);

	for (split /\n/, slurp($path)) {
		next unless /^$master\s+(.*)/;
		my $call = $1;

		$ours{$1} = 1 if $call =~ /(?:clone|fork)\w*(?:\(| resumed>).* = (\d+)$/;
		delete $ours{$1} if $call =~ /wait4(?:\(| resumed>).*WNOHANG.* = (\d+)$/;
		next unless $call =~ /^(?:tg)?kill\((-?\d+), (\w+)/;
		$sent++;
		push @wrong, $call unless $ours{$1};
	}
	return ($sent, @wrong);
}

# --- 50

sub sockets_of {
	return map { my $t = readlink($_) // ""; $t =~ /^socket:\[(\d+)\]/
	    ? $1 : () } glob("/proc/$_[0]/fd/*");
}

subtest "50. master has exactly one thread; children have only their own control socket and listeners" => sub {
	for my $mode (@modes) {
		my $server = wreck(mode => $mode, workers => 4);
		my @idle = $server->idle_clients(8);
		my @workers = $server->workers_of;

		kill("KILL", $workers[0]);
		wait_for { my @now = grep { alive($_) } $server->workers_of;
		    @now == 4 && !grep { $_ == $workers[0] } @now } 5;
		kill("HUP", $server->{pid});
		ok($server->log_like(qr/reloaded: 4/, 10), "$mode: reloaded");
		is(threads_of($server->{pid}), 1, "the master: one thread");
		$_->close for @idle;
		wait_for { my $h = $server->held; !grep { $_ } values %$h } 5;
		wait_for { my @now = $server->workers_of; @now == 4 } 5;
		@workers = $server->workers_of;
		my %count;
		$count{$_}++ for map { my %s = map { $_ => 1 }
		    sockets_of($_); keys %s } $server->{pid}, @workers;
		for my $worker (@workers) {
			my @own = sockets_of($worker);
			my @shared = grep { $count{$_} > 1 } @own;

			# The listener and the two ends of the hand-over.
			is(scalar @shared, 3, "a worker shares three sockets")
			    or diag(`ls -l /proc/$worker/fd`);
		}
		$server->stop;
	}
};
done_testing;
