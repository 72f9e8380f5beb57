# How each signal ends a server.
use strict;
use warnings;
use Test::More;
use Time::HiRes qw(time sleep);
use Tine::Test;

# A request in hand, for so many milliseconds.
sub held {
	my ($server, $ms) = @_;
	my $client = $server->connection;

	$client->send(request("/sleep?ms=$ms"));
	$client->is_quiet(0.3) or diag("no handler runs");
	return $client;
}

each_mode {
	my ($mode, $workers) = @_;

	# As a service manager does it: every process is told.
	for my $signal ("TERM", "QUIT") {
		my $server = start(mode => $mode, workers => $workers,
		    args => ["--drain-idle=0.3s"]);
		my $client = held($server, 700);
		my $idle = $server->connection;
		$idle->send(request("/hello"));

		kill($signal, -$server->{pid});
		my $reply = $client->reply;
		is($reply->{status}, 200, "$signal to all: a request in hand ends");
		is($reply->{fields}{connection}, "close", "and is the last");
		is($idle->reply->{status}, 200, "what was sent is answered");
		$server->stop($signal);
	}

	# As a terminal does it.
	my $server = start(mode => $mode, workers => $workers);
	my $client = held($server, 30000);
	my $begun = time;
	kill("INT", -$server->{pid});
	is($server->ended(10), 0, "INT to all: status 0");
	cmp_ok(time - $begun, "<", 2.5 * slow(), "at once");
	ok($client->is_closed, "the client is told");
	ok((wait_for { !$server->members } 3), "nobody is left");
	is(scalar(() = slurp($server->{out}) =~ /exiting/g), 1, "one line");
	is(scalar(my @odd = $server->odd_lines), 0, "and no error");
} workers => [0, 2];

for my $mode (@modes) {
	my $server = start(mode => $mode, workers => 2,
	    quiet => qr/in a handler|cut off|worker/);
	my $client = held($server, 30000);
	kill("TERM", $server->{pid});
	ok((wait_for { !$server->connection } 5),
	    "$mode: the port is closed while a request is in hand");
	ok($client->is_quiet(0), "which goes on");
	my $begun = time;
	kill("INT", $server->{pid});
	is($server->ended(10), 0, "INT after TERM ends it");
	cmp_ok(time - $begun, "<", 2.5 * slow(), "in time");

	$server = start(mode => $mode, workers => 2,
	    quiet => qr/in a handler|cut off|worker/);
	$client = held($server, 30000);
	$begun = time;
	kill("INT", $server->{pid});
	sleep 0.1;
	kill("INT", $server->{pid});
	is($server->ended(10), 0, "$mode: INT twice");
	cmp_ok(time - $begun, "<", 0.9 * slow(), "does not wait at all");
	ok((wait_for { !$server->members } 2), "nobody is left");

	# A full queue: all that was taken by the kernel is answered.
	$server = start(mode => $mode, workers => 2);
	my @workers = $server->workers_of;
	kill("STOP", @workers);
	my @clients = map { my $c = $server->connection;
	    $c->send(request("/hello")); $c } 1 .. 50;
	kill("TERM", $server->{pid});
	sleep 0.2;
	kill("CONT", @workers);
	is(scalar(grep { $_->reply->{status} == 200 } @clients), 50,
	    "$mode: 50 that wait to be accepted at TERM are answered");
	$server->stop;

	# The master stands still: its workers serve on.
	$server = start(mode => $mode, workers => 2);
	kill("STOP", $server->{pid});
	is($server->ask("/hello")->{status}, 200,
	    "$mode: served while the master is stopped");
	kill("CONT", $server->{pid});
	kill($_, $server->{pid}) for "WINCH", "PIPE";
	kill($_, $server->workers_of) for qw(INT HUP USR2 TTIN TTOU PIPE);
	is($server->ask("/hello")->{status}, 200, "signals for others");
	is(scalar($server->workers_of), 2, "end no worker");
	$server->stop;
}

done_testing;
