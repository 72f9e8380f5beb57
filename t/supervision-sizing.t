# How many workers there are, and when they are replaced: told by TTIN and
# TTOU, elastic, --max-requests, --max-memory.  No request fails by it.
use strict;
use warnings;
use File::Temp qw(tempdir);
use Test::More;
use Time::HiRes qw(time sleep);
use Tine::Test;

my $dir = tempdir(CLEANUP => 1);
my $is_long = $ENV{TINE_LONG} // 0;

sub workers_are {
	my ($server, $count, $seconds) = @_;
	return wait_for { $server->workers_of == $count } $seconds // 5;
}

# Notes how many workers there are, ten times a second, until the test ends
# it; from a process of its own, beside what else is tested.
sub watch {
	my $server = shift;
	my $path = "$server->{dir}/watched";
	my $pid = fork // die;

	if ($pid == 0) {
		my $begun = time;
		open(my $out, ">", $path) or die;
		$out->autoflush(1);
		while (getppid() != 1) {
			my @now = $server->workers_of;
			printf $out "%.2f %d\n", time - $begun, scalar @now;
			sleep 0.1;
		}
		POSIX::_exit(0);
	}
	return { pid => $pid, path => $path };
}

# What was watched: [seconds, workers], ...
sub seen {
	my $watch = shift;
	return map { [split / /] } split /\n/, slurp($watch->{path});
}

sub unwatch {
	my $watch = shift;

	kill("KILL", $watch->{pid});
	waitpid($watch->{pid}, 0);
}

# Begun here, looked at below, since it takes its time by itself.
my $elastic = start(workers => "2-8", args => ["--spare=2-4"]);
my $elastic_watch = watch($elastic);
my @slow = map { my $c = $elastic->connection;
    $c->send(request("/sleep?ms=5000", close => 1)); $c } 1 .. 8;

for my $mode (@modes) {
	subtest "51. TTIN x3, TTOU x5 under load: N+3, then 1; HUP: the " .
	    "configured number ($mode)" => sub {
		my $server = start(mode => $mode, workers => 3);
		my ($good, $bad) = under_load($server, sub {
			for my $count (4 .. 6) {
				kill("TTIN", $server->{pid});
				ok(workers_are($server, $count), "TTIN: $count");
			}
			for my $count (5, 4, 3, 2, 1, 1, 1) {
				kill("TTOU", $server->{pid});
				ok(workers_are($server, $count), "TTOU: $count");
			}
			ok($server->tell("HUP", qr/reloaded: 3 workers/),
			    "HUP");
			ok(workers_are($server, 3), "3 as configured");
		});
		cmp_ok($good, ">=", 16, "$good requests");
		is($bad, 0, "none fails");
		$server->stop;
	};

	subtest "54. --max-requests: no failure, never under N ready " .
	    "workers, limits differ ($mode)" => sub {
		my $server = start(mode => $mode, workers => 4,
		    args => ["--max-requests=100-300"]);
		my %served;
		my $least = 4;
		my ($good, $bad) = under_load($server, sub {
			wait_for {
				my @workers = $server->workers_of;
				# A look may miss one that came behind it.
				@workers = $server->workers_of if @workers < 4;
				$served{$_}++ for @workers;
				$least = @workers if @workers < $least;
				keys %served >= 16;
			} 20;
		});
		cmp_ok(scalar keys %served, ">=", 16, "they are replaced");
		is($bad, 0, "of $good requests none fails");
		is($least, 4, "never under 4 workers");
		$server->stop;

		$server = start(mode => $mode, workers => 2,
		    args => ["--max-requests=1"]);
		my @idle = $server->idle_clients(20);
		my @before = $server->workers_of;
		($good, $bad) = under_load($server, sub { sleep 1.5 });
		is($bad, 0, "--max-requests=1: of $good requests none fails");
		is($server->still_answered(@idle), 20,
		    "and no idle connection is closed");
		my %now = map { $_ => 1 } $server->workers_of;
		ok(!(grep { $now{$_} } @before), "they were replaced");
		$server->stop;
	};
}

# How many requests each worker served, of those that were replaced.
sub served_by {
	my ($server, $replaced) = @_;
	my (%served, @gone);

	wait_for {
		for (1 .. 20) {
			my ($pid) = ($server->ask("/pid")->{body} // "") =~
			    /^(\d+)/;
			$served{$pid // "none"}++;
		}
		my %now = map { $_ => 1 } $server->workers_of;
		@gone = grep { !$now{$_} } keys %served;
		@gone >= $replaced;
	} 30;
	return map { $served{$_} } @gone;
}

subtest "54. limits differ; --max-requests=0: never" => sub {
	my $server = start(workers => 4, args => ["--max-requests=20-300"]);
	my @served = sort { $a <=> $b } served_by($server, 8);
	cmp_ok($served[0], ">=", 20, "not before the least: @served");
	cmp_ok($served[-1] - $served[0], ">", 30, "each has its own");
	$server->stop;

	for my $limit ("0", "0-50") {
		$server = start(workers => 2,
		    args => ["--max-requests=$limit"]);
		my @before = $server->workers_of;
		my ($good, $bad) = under_load($server, sub { sleep 1 });
		cmp_ok($good, ">=", 16, "$limit: $good requests");
		is_deeply([$server->workers_of], \@before,
		    "the workers stay");
		$server->stop;
	}
};

subtest "55. recycling while the module is broken on disk: the old " .
    "generation goes on" => sub {
	my $module = variant(build("t/target.so"), "$dir/broken.so");
	my $server = start(program => build("bin/tine"), workers => 4,
	    args => ["--max-requests=50", $module]);
	spew($module, "no module\n");
	my %pids;
	my ($good, $bad) = under_load($server, sub {
		wait_for {
			$pids{$_}++ for $server->workers_of;
			keys %pids >= 10;
		} 10;
	});
	is($bad, 0, "of $good requests none fails");
	cmp_ok(scalar keys %pids, ">=", 10, "workers are replaced");
	$server->stop;
};

subtest "55. recycling while worker_init fails: the old ones serve on, and " .
    "ask again after the back-off" => sub {
	my $init = "$dir/init-recycle";
	spew($init, "");
	my $server = start(workers => 4, env => { TARGET_INIT => $init },
	    args => ["--max-requests=50"], quiet => qr/worker \d|worker_init/);
	spew($init, "fail");
	my ($good, $bad) = under_load($server, sub {
		ok($server->log_like(qr/in a row.*started in 0\.50 s/, 10),
		    "there is a back-off");
		is(scalar($server->workers_of), 4, "four serve on");
		sleep 1;
		my $deaths = () = $server->err =~ / died: exit/g;
		cmp_ok($deaths, "<=", 12, "no storm: $deaths forks");
		my @before = $server->workers_of;
		spew($init, "");
		ok((wait_for { my %now = map { $_ => 1 } $server->workers_of;
		    !grep { $now{$_} } @before } 15), "mended: replaced");
	});
	is($bad, 0, "of $good requests none fails");
	$server->stop;
};

subtest "56. --max-memory: a leaking handler's worker is replaced, no " .
    "failure" => sub {
	for my $mode (modes_in_worker()) {
		my $server = start(mode => $mode, workers => 2,
		    args => ["--max-memory=100M"]);
		my %pids;
		my ($good, $bad) = under_load($server, sub {
			wait_for {
				$pids{$_}++ for $server->workers_of;
				keys %pids >= 6;
			} 15;
		}, path => "/leak?bytes=500000", pause => 0.02);
		cmp_ok(scalar keys %pids, ">=", 6, "$mode: replaced");
		is($bad, 0, "of $good requests none fails");
		$server->stop;
	}
};

subtest "53. maximum reached: one log line; slow worker_init: no " .
    "over-shoot" => sub {
	my $init = "$dir/init-slow";
	spew($init, "");
	my $server = start(workers => "1-3", args => ["--spare=1-2"],
	    env => { TARGET_INIT => $init });
	my @busy = map { my $c = $server->connection;
	    $c->send(request("/sleep?ms=3500", close => 1)); $c } 1 .. 4;
	ok($server->log_like(qr/all 3 workers are busy/, 10), "it is said");
	is(scalar(grep { $_->reply("GET", 20)->{status} == 200 } @busy), 4,
	    "all are answered");
	is(scalar(() = $server->err =~ /workers are busy/g), 1, "once");
	$server->stop;

	$server = start(workers => "1-16", args => ["--spare=1-16"],
	    env => { TARGET_INIT => $init });
	spew($init, "sleep 3000");
	my $most = 0;
	@busy = map { my $c = $server->connection;
	    $c->send(request("/sleep?ms=4000", close => 1)); $c } 1 .. 2;
	my $end = time + 4;
	while (time < $end) {
		my @now = $server->workers_of;
		$most = @now if @now > $most;
		sleep 0.05;
	}
	cmp_ok($most, ">=", 2, "it grows");
	cmp_ok($most, "<=", 4, "no more than needed and a step: $most");
	is(scalar(grep { $_->reply("GET", 20)->{status} == 200 } @busy), 2,
	    "answered");
	$server->stop;
};

for my $mode (grep { $_ ne "single" } @modes) {
	subtest "52. elastic in mode $mode: it grows while handlers run" =>
	    sub {
		my $server = start(mode => $mode, workers => "2-6",
		    args => ["--spare=2-4"]);
		my @busy = map { my $c = $server->connection;
		    $c->send(request("/sleep?ms=3000", close => 1)); $c }
		    1 .. 8;
		ok((wait_for { $server->workers_of >= 4 } 4),
		    "two busy, two idle");
		is(scalar(grep { $_->reply("GET", 20)->{status} == 200 }
		    @busy), 8, "answered");
		$server->stop;
	};
}

subtest "52. --workers=2-8 --spare=2-4, 8 slow requests at once: 8 " .
    "workers; load ends: 4, one a second; quiet: 2" => sub {
	is(scalar(grep { $_->reply("GET", 20)->{status} == 200 } @slow), 8,
	    "all are answered");
	my ($good, $bad) = (0, 0);
	# It may be long ago, and fewer by now.
	my $has_four = sub { grep { $_->[0] > 5 && $_->[1] == 4 } @_ };
	ok((wait_for { $has_four->(seen($elastic_watch)) } 30), "4 are left");
	my @seen = seen($elastic_watch);
	my ($full) = grep { $_->[1] == 8 } @seen;
	ok($full && $full->[0] < 4 * slow(), "8 workers within 4 s");
	my $steps = 0;
	for my $i (0 .. $#seen - 5) {
		# Two samples half a second apart.
		$steps++ if $seen[$i][1] - $seen[$i + 5][1] > 1;
	}
	is($steps, 0, "one a second");
	my ($four) = $has_four->(@seen);
	ok($four && $four->[0] < 5 + 20 * slow(), "within 20 s");
	SKIP: {
		skip "60 s of quiet: TINE_LONG=1", 1 unless $is_long;
		ok((wait_for { $elastic->workers_of == 2 } 75), "then 2");
	}
	is($elastic->ask("/hello")->{status}, 200, "it serves");
	unwatch($elastic_watch);
	$elastic->stop;
};
# Begun at four times in a second: one look in a second could not be so fast.
subtest "52. a worker that becomes full has another one started at once" =>
    sub {
	my (@servers, @slow);

	for my $mode (@modes) {
		for (1 .. 4) {
			push @servers, start(mode => $mode, workers => "1-3",
			    args => ["--spare=1-3", "--max-threads=2",
			    "--max-children=2"]);
			sleep 0.25;
		}
	}
	my $longest = 0;
	for my $server (@servers) {
		my $begun = time;

		for (1 .. ($server->{mode} eq "single" ? 1 : 2)) {
			my $client = $server->connection;
			$client->send(request("/sleep?ms=2500"));
			push @slow, $client;
		}
		wait_for { $server->workers_of == 2 } 3;
		$longest = time - $begun if time - $begun > $longest;
	}
	cmp_ok($longest, "<", 0.6 * slow(), "after $longest s at most");
	is(scalar(grep { $_->reply->{status} == 200 } @slow), scalar @slow,
	    "all are answered");
	for my $server (@servers) {
		# A worker with one of two threads busy is not idle either.
		is(scalar($server->workers_of), 2, "and one is enough")
		    if $server->{mode} eq "single";
		$server->stop;
	}
};

done_testing;
