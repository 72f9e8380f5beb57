# Supervision, cases 24, 25, 27 and 36 to 41: workers that die, one or all,
# once or again and again; who is judged, and what the scoreboard is worth.
use strict;
use warnings;
use File::Copy qw(copy);
use File::Temp qw(tempdir);
use Test::More;
use Time::HiRes qw(time sleep);
use Tine::Test;

my $long = $ENV{TINE_LONG};
my $noise = qr/worker \d|child \d|in a handler|in a row|forker has died/;
my $is_sanitized = ($ENV{TINE_SANITIZER} // "no") ne "no";

# Idle connections have little time at a stop, since there are many stops.
sub wreck {
	my %o = (args => [], @_);

	return start(program => build("t/wreck"),
	    quiet => $noise, %o, args => ["--drain-idle=0.1", @{$o{args}}]);
}

# Whether there are that many workers, none of them one of those.
sub replaced {
	my ($server, $count, @old) = @_;
	my %old = map { $_ => 1 } @old;
	my @now = $server->workers_of;

	return @now == $count && !grep { $old{$_} } @now;
}

sub zombies {
	my $of = shift;

	return grep { slurp($_) =~ /^\d+ \(.*\) Z $of /s }
	    glob("/proc/[0-9]*/stat");
}

subtest "24. 20 workers killed at one instant: 20 deaths logged, 20 new workers, no zombie" => sub {
	for my $mode (@modes) {
		my $server = wreck(mode => $mode, workers => 20);
		my $descriptors = descriptors_of($server->{pid});
		my @before = $server->workers_of;

		is(scalar @before, 20, "$mode: 20 workers");
		# A worker that has served is no useless one, however young.
		answered(ask_all($server, 200, "/hello"));
		kill("KILL", @before);
		ok((wait_for { replaced($server, 20, @before) } 10),
		    "they are replaced");
		is(scalar(grep { $server->err =~
		    /\(pid $_\) died: signal 9 \(Killed\), not sent by tine: out of memory\?; it lived \d+ ms and served \d+ request/ }
		    @before), 20, "each death is in the log");
		is(scalar(zombies($server->{pid})), 0, "no zombie");
		is($server->ask("/hello")->{status}, 200, "it serves");
		is(descriptors_of($server->{pid}), $descriptors,
		    "the master's descriptors are as before");
		$server->stop;
	}
};

subtest "25. kill -9 of a worker under load: only its connections end; log: pid, KILL, request; new worker within 1 s" => sub {
	for my $mode (@modes) {
		my $server = wreck(mode => $mode, workers => 3);
		my @clients = ask_all($server, 30, "/hello");

		is(answered(@clients), 30, "$mode: 30 clients");
		my $busy = $server->connection;
		$busy->send(request("/sleep?ms=20000&why"));
		$busy->is_quiet(0.1);
		my %held = %{$server->held};
		my ($victim) = grep {
			my $pid = $_;
			my $request = $busy->{socket}->sockport;
			grep { has_client($_, $request) } $pid
		} $server->workers_of;
		ok($victim, "whose worker is known");
		my $most = $held{$victim};
		kill("KILL", $victim);
		ok((wait_for { replaced($server, 3, $victim) } 1),
		    "a new worker within a second");
		$_->send(request("/hello")) for @clients;
		my $good = answered(@clients);
		# Its own clients' connections end, and nobody else's.
		is(30 - $good, $most - 1, "as many are cut as it had");
		ok(!defined $busy->reply->{body}, "the busy one is cut");
		ok($server->log_like(qr/worker \d+ \(pid $victim\) died: signal 9/),
		    "the log tells");
		ok($server->log_like(qr/worker \d+ was serving client 127\.0\.0\.1, request "GET \/sleep\?ms=20000&why[^"]*", for \d+ ms/),
		    "the request in hand");
		$server->stop;
	}
};

# Whether a process has the connection that comes from a port.
sub has_client {
	my ($pid, $port) = @_;
	my %inode;

	for (split /\n/, slurp("/proc/net/tcp")) {
		my @column = split ' ';
		$inode{$column[9]} = 1 if ($column[2] // "") =~
		    /:([0-9A-F]{4})$/ && hex($1) == $port;
	}
	return scalar grep { (readlink($_) // "") =~ /^socket:\[(\d+)\]$/ &&
	    $inode{$1} } glob("/proc/$pid/fd/*");
}

sub delays {
	return map { $_ * 1 } shift->err =~ /started in (\d+\.\d+) s/g;
}

subtest "27. workers that all begin to die as soon as they are ready: few forks, growing delays; module repaired and HUP: serving within 2 s" => sub {
	my $dir = tempdir(CLEANUP => 1);
	my $seconds = $long ? 60 : 8;

	copy(build("t/wreck.so"), "$dir/module.so");
	my $server = start(program => build("bin/tine"), workers => 4,
	    args => ["$dir/module.so"], env => { WRECK => $dir },
	    quiet => $noise);
	spew("$dir/die", "");
	sleep $seconds;
	my $deaths = () = $server->err =~ /\(pid \d+\) died: signal 9/g;
	my @delays = delays($server);
	cmp_ok($deaths, "<", 20, "$deaths forks in $seconds s");
	cmp_ok($deaths, ">=", 5, "it tried");
	cmp_ok(scalar @delays, ">=", 2, "the log shows delays: @delays");
	ok(!(grep { $delays[$_] < $delays[$_ - 1] } 1 .. $#delays),
	    "that grow");
	like($server->err, qr/5 workers in a row died without having served a request, the last by signal 9 .*; the next is started in 0\.25 s/,
	    "with count, reason and next try");
	is($server->connection ? 1 : 0, 1, "the port is still open");
	unlink("$dir/module.so");
	copy(build("t/target.so"), "$dir/module.so");
	kill("HUP", $server->{pid});
	is($server->ask("/hello", seconds => 2)->{status}, 200,
	    "HUP: serving within 2 s");
	ok((wait_for { my @now = $server->workers_of; @now == 4 } 6),
	    "and all are there again");
	$server->stop;
} if -e build("t/target.so");

subtest "27. one slot is tried; a request that is completed brings all back" => sub {
	my $dir = tempdir(CLEANUP => 1);
	my $server = wreck(workers => 3, env => { WRECK => $dir });

	spew("$dir/die-slowly", "");
	ok($server->log_like(qr/started in 0\.50 s/, 10), "a crash loop");
	my $most = 0;
	wait_for {
		my @now = $server->workers_of;
		$most = @now if @now > $most;
		$server->err =~ /started in 2\.00 s/
	} 10;
	is($most, 1, "one worker at a time");
	unlink("$dir/die-slowly");
	is($server->ask("/hello", seconds => 10)->{status}, 200, "it serves");
	ok((wait_for { my @now = $server->workers_of; @now == 3 } 2),
	    "all are there again");
	spew("$dir/die", "");
	ok($server->log_like(qr/in 2\.00 s.*\n(.*\n)*.*started in 0\.25 s/, 10),
	    "the next time the delays begin anew");
	kill("TERM", $server->{pid});
	is($server->ended(5), 0, "TERM while it waits: at once");
};

subtest "27. TTIN and HUP end the wait" => sub {
	for my $signal ("TTIN", "HUP") {
		my $dir = tempdir(CLEANUP => 1);
		my $server = wreck(workers => 2, env => { WRECK => $dir },
		    quiet => qr/worker|in a row|reload/);

		spew("$dir/die", "");
		ok($server->log_like(qr/started in 4\.00 s/, 20),
		    "$signal: 4 s to go");
		unlink("$dir/die");
		my $begun = time;
		kill($signal, $server->{pid});
		is($server->ask("/hello", seconds => 5)->{status}, 200,
		    "it serves");
		cmp_ok(time - $begun, "<", 2 * slow(), "at once");
		$server->stop;
	}
};

subtest "27. crashes among useful work are never slowed" => sub {
	for my $mode (@modes) {
		my $server = wreck(mode => $mode, workers => 2);

		for (1 .. 20) {
			$server->ask("/hello");
			kill("KILL", ($server->workers_of)[0]);
		}
		is($server->ask("/hello")->{status}, 200, "$mode: it serves");
		unlike($server->err, qr/in a row/, "no delay");
		$server->stop;
	}
};

subtest "36. wall clock set forward and back an hour: no worker killed" => sub {
	plan skip_all => "a sanitizer wants to be loaded first" if $is_sanitized;
	for my $mode (@modes) {
		my $dir = tempdir(CLEANUP => 1);
		my $server = start(mode => $mode, workers => 2,
		    program => build("t/wreck"), args => ["--timeout=2"],
		    env => { LD_PRELOAD => build("t/preload.so"),
			PRELOAD => $dir });
		my @before = $server->workers_of;
		my @idle = ask_all($server, 5, "/hello");
		is(answered(@idle), 5, "$mode: clients");

		for my $shift (3600, -3600, 0) {
			spew("$dir/clock", $shift);
			my $busy = $server->connection;
			$busy->send(request("/sleep?ms=300"));
			is($busy->reply->{status}, 200, "$shift: served");
		}
		is_deeply([$server->workers_of], \@before, "the same workers");
		$_->send(request("/hello")) for @idle;
		is(answered(@idle), 5, "and connections");
		like($server->err, qr{\[\d+/\w+/\d+}, "with a log");
		$server->stop;
	}
};

subtest "37. master SIGSTOPped longer than --timeout, continued: no healthy worker killed" => sub {
	my @servers = map { wreck(mode => $_, workers => 2, quiet => undef,
	    args => ["--timeout=1.5"]) } @modes;
	my @before = map { [$_->workers_of] } @servers;

	kill("STOP", $_->{pid}) for @servers;
	# Busy all the time, but never for long.
	my $end = time + 2.5;
	while (time < $end) {
		is(answered(map { ask_all($_, 2, "/sleep?ms=200") } @servers),
		    2 * @servers, "served meanwhile") if time < $end;
	}
	my @busy = map { ask_all($_, 2, "/sleep?ms=800") } @servers;
	kill("CONT", $_->{pid}) for @servers;
	is(answered(@busy), scalar @busy, "and afterwards");
	sleep 1.2;
	for my $i (0 .. $#servers) {
		is_deeply([$servers[$i]->workers_of], $before[$i],
		    "$modes[$i]: the same workers");
		$servers[$i]->stop;
	}
};

subtest "37. all processes stopped, as by a frozen machine: nobody is judged by that time" => sub {
	my @servers = map { wreck(mode => $_, workers => 2, quiet => undef,
	    args => ["--timeout=2", "--header-timeout=2"]) } @modes;
	my @before = map { [$_->workers_of] } @servers;
	my @busy = map { ask_all($_, 2, "/sleep?ms=500") } @servers;
	my @heads = map { my $c = $_->connection;
	    $c->send("GET /hello HTTP/1.1\r\nHo"); $c } @servers;

	sleep 0.2;
	my @members = map { $_->members } @servers;
	kill("STOP", @members);
	sleep 2.7;
	# Its rest has come meanwhile, as far as the kernel goes.
	$_->send("st: a\r\n\r\n") for @heads;
	kill("CONT", @members);
	is(answered(@busy), scalar @busy, "their handlers end");
	is(answered(@heads), scalar @heads, "a head is not late");
	for my $i (0 .. $#servers) {
		is_deeply([$servers[$i]->workers_of], $before[$i],
		    "$modes[$i]: the same workers");
		$servers[$i]->stop;
	}
};

subtest "38. one idle worker SIGSTOPped, 100 connections: all answered within 1 s by the others" => sub {
	for my $mode (@modes) {
		my $server = wreck(mode => $mode, workers => 4);
		my $stopped = ($server->workers_of)[1];

		kill("STOP", $stopped);
		my $begun = time;
		my @clients = ask_all($server, 100, "/hello");
		is(answered(@clients), 100, "$mode: all are answered");
		cmp_ok(time - $begun, "<", 1 * slow(), "within 1 s");
		$_->close for @clients;
		for (1 .. 50) {
			$server->ask("/hello")->{status} == 200 or
			    fail("one after the other");
		}
		kill("CONT", $stopped);
		is($server->ask("/hello")->{status}, 200, "it goes on");
		$server->stop;
	}
};

subtest "39. one connection, 32 idle workers: few wake-ups" => sub {
	plan skip_all => "a sanitizer wants to be loaded first" if $is_sanitized;
	my $dir = tempdir(CLEANUP => 1);
	my $server = start(workers => 32, program => build("t/wreck"),
	    env => { LD_PRELOAD => build("t/preload.so"), PRELOAD => $dir });

	spew("$dir/accepts", "");
	is($server->ask("/hello")->{status}, 200, "answered") for 1 .. 50;
	my $empty = length slurp("$dir/accepts");
	cmp_ok($empty, "<=", 100, "2 empty accepts each on average at " .
	    "most: $empty for 50");
	$server->stop;
};

subtest "40. worker killed while writing its scoreboard line: readers do not hang, the line is whole with the new worker" => sub {
	for my $mode (modes_in_worker()) {
		my $server = wreck(mode => $mode, workers => 1);
		my @before = $server->workers_of;

		$server->ask("/hello");
		$server->ask("/odd");
		ok((wait_for { replaced($server, 1, @before) } 5),
		    "$mode: replaced");
		unlike($server->err, qr/was serving.*####/,
		    "what is not whole is not told");
		$server->ask("/hello");
		my $busy = $server->connection;
		$busy->send(request("/sleep?ms=20000&next"));
		$busy->is_quiet(0.2);
		kill("KILL", $server->workers_of);
		ok($server->log_like(qr/was serving client 127\.0\.0\.1, request "GET \/sleep\?ms=20000&next/),
		    "the next one's line is whole");
		$server->stop;
	}
};

subtest "41. worker fills the scoreboard with noise, pid field included: the master signals no foreign process, does not crash" => sub {
	for my $mode (@modes) {
		# Nobody's child here, and dead by any signal.
		my $foreign = fork // die "fork: $!";
		if ($foreign == 0) {
			$SIG{TERM} = $SIG{INT} = "DEFAULT";
			exec("sleep", "300") or POSIX::_exit(127);
		}
		for my $what ("bytes", "ones", "pid=$foreign") {
			my $server = wreck(mode => $mode, workers => 2,
			    args => ["--timeout=2"], quiet => qr/./);

			$server->ask("/noise?$what") for 1 .. 3;
			kill("KILL", ($server->workers_of)[0]);
			ok((wait_for { $server->ask("/hello",
			    seconds => 2)->{status} == 200 } 10),
			    "$mode, $what: it serves") or diag($server->err);
			kill("USR1", $server->{pid});
			kill("HUP", $server->{pid});
			ok($server->log_like(qr/reloaded: 2 workers/, 10),
			    "it reloads");
			ok((wait_for { my @now = $server->workers_of;
			    @now == 2 } 5), "two workers");
			$server->stop;
			ok(alive($foreign), "a foreign process lives on");
		}
		kill("KILL", $foreign);
		waitpid($foreign, 0);
	}
};
done_testing;
