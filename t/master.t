# The master: starts, replaces, stops, leaves nothing behind.
use strict;
use warnings;
use IO::Select;
use Test::More;
use Time::HiRes qw(time sleep);
use Tine::Test;

for my $mode (@modes) {
	my $server = start(mode => $mode, workers => 2);
	my @held = map { my $c = $server->connection;
	    $c->send(request("/sleep?ms=500")); $c } 1 .. 2;
	my $idle = $server->connection;
	$idle->send(request("/count"));
	$idle->reply if $mode ne "single";
	sleep 0.2;
	kill("TERM", $server->{pid});
	is(scalar(grep { my $r = $_->reply; $r->{status} == 200 &&
	    ($r->{fields}{connection} // "") eq "close" } @held), 2,
	    "$mode: TERM lets requests end, and tells");
	$idle->reply if $mode eq "single";
	ok($idle->is_closed(4), "idle connections are closed");
	is($server->ended(10), 0, "exit status 0");
	is($server->connection, undef, "the port is free");

	$server = start(mode => $mode, workers => 2);
	my $busy = $server->connection;
	my @below = children($server->{pid});
	$busy->send(request("/sleep?ms=60000"));
	sleep 0.2;
	my $begun = time;
	kill("INT", $server->{pid});
	is($server->ended(10), 0, "$mode: INT ends at once, status 0");
	cmp_ok(time - $begun, "<", 2 * slow(), "within two seconds");
	ok((wait_for { !grep { alive($_) } @below }), "nobody is left");
	like(slurp($server->{out}), qr/exiting/, "and says so");

	$server = start(mode => $mode, workers => 2,
	    quiet => qr/worker \d|cut off/, args => ["--graceful-timeout=1"]);
	$busy = $server->connection;
	$busy->send(request("/sleep?ms=60000"));
	sleep 0.2;
	$begun = time;
	kill("TERM", $server->{pid});
	is($server->ended(10), 0, "$mode: --graceful-timeout ends the wait");
	cmp_ok(time - $begun, "<", 3 * slow(), "in time");

	$server = start(mode => $mode, workers => 0);
	kill("TERM", $server->{pid});
	is($server->ended(10), 0, "$mode: TERM without a master");
	$server = start(mode => $mode, workers => 0);
	kill("INT", $server->{pid});
	is($server->ended(10), 0, "$mode: INT without a master");
	$server = start(mode => $mode, workers => 0, is_cut => 1);
	$busy = $server->connection;
	$busy->send(request("/hang"));
	sleep 0.2;
	kill("INT", $server->{pid});
	is($server->ended(5), 0, "$mode: also beside a handler that hangs");
	$server = start(mode => $mode, workers => 0);
	if ($mode ne "fork") {	# its handler has a server of its own
		is($server->ask("/shutdown")->{status}, 200,
		    "$mode: tine_shutdown() by a handler");
		is($server->ended(10), 0, "ends serve_forever");
	} else {
		$server->stop;
	}
}

my $server = start(workers => 2);
like((run_command("ps", "-o", "args=", "-p", $server->{pid}))[1],
    qr/master .*127\.0\.0\.1:$server->{port}/, "the master's title");
like((run_command("ps", "-o", "args=", "-p", ($server->workers_of)[0]))[1],
    qr/worker 1/, "a worker's title");
kill("TTIN", $server->{pid});
ok((wait_for { my @now = $server->workers_of; @now == 3 } 5), "TTIN: one more");
kill("TTOU", $server->{pid}) , select(undef, undef, undef, 0.3) for 1 .. 4;
ok((wait_for { my @now = $server->workers_of; @now == 1 } 5), "TTOU: down to one");
kill("WINCH", $server->{pid});
is($server->ask("/hello")->{status}, 200, "WINCH does nothing");
$server->stop;
done_testing;
