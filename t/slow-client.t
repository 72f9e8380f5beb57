# Clients that do little hold nobody up; those that do nothing are let go.
use strict;
use warnings;
use Test::More;
use Time::HiRes qw(time sleep);
use Tine::Test;

each_mode {
	my ($mode, $workers) = @_;
	my $server = start(mode => $mode, workers => $workers,
	    args => ["--log=none"]);
	my @idle = map { my $c = $server->connection;
	    $c->send(request("/hello")); $c } 1 .. 1000;
	is(scalar(grep { $_->reply->{status} == 200 } @idle), 1000,
	    "1,000 connections");
	my $head = request("/slow");
	my @slow = map { $server->connection } 1 .. 200;
	my @times;

	for my $at (0 .. 19) {
		$_->send(substr($head, $at, 1)) for @slow;
		my $begun = time;
		my $reply = $server->ask("/hello");
		push @times, time - $begun;
		is($reply->{status}, 200, "answered") if $at % 5 == 0;
	}
	my ($worst) = sort { $b <=> $a } @times;
	cmp_ok($worst, "<", 1 * slow(), "at once, beside 200 slow heads");
	$_->send(substr($head, 20)) for @slow;
	is(scalar(grep { $_->reply->{status} == 200 } @slow), 200,
	    "the slow ones are answered too");
	$_->send(request("/hello")) for @idle;
	is(scalar(grep { $_->reply->{status} == 200 } @idle), 1000,
	    "and the idle ones");
	$server->stop;
} workers => [0, 1];

each_mode {
	my ($mode, $workers) = @_;
	my $server = start(mode => $mode, workers => $workers,
	    args => ["--header-timeout=0.3s", "--keep-alive=0.6s",
	    "--body-timeout=0.3s", "--send-timeout=0.5s"]);
	my ($silent, $head, $body, $used, $reader) =
	    map { $server->connection } 1 .. 5;

	$head->send("GET / HT");
	$body->send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nab");
	$used->send(request("/hello"));
	$reader->send(request("/big?bytes=50000000"));
	is($used->reply->{status}, 200, "one request");
	is($head->reply->{status}, 408, "a slow head: 408");
	ok($head->is_closed, "and closed");
	is($body->reply->{status}, 408, "a slow body: 408");
	ok($used->is_closed, "an idle connection is closed");
	ok($silent->is_closed, "so is one that never spoke");
	sleep 1.2 * slow();
	my $reply = $reader->reply;
	ok(!defined $reply->{body}, "one that does not read is cut");
	$server->stop;
} workers => [1];

# One that reads slowly is not late, although its socket has room again only
# after megabytes; beside it, one that reads nothing is.
each_mode {
	my ($mode, $workers) = @_;
	my $server = start(mode => $mode, workers => $workers,
	    args => ["--send-timeout=" . 0.5 * slow(),
	    "--reply-spool=1000000"]);

	for my $path ("/big?bytes=20000000", "/nolength?bytes=20000000") {
		my ($slow, $silent) = map { $server->connection } 1 .. 2;
		my $end = time + 2.5 * slow();

		# A single handler waits for the one that came first.
		$_->send(request($path)) for $silent, $slow;
		while (time < $end) {
			sysread($slow->{socket}, $slow->{buffer}, 20_000,
			    length $slow->{buffer}) or last;
			sleep 0.05;
		}
		# What had been sent before a cut would still come.
		is(length($slow->reply("GET", 20)->{body} // "cut"), 20000000,
		    "$path: one that reads slowly gets all");
		my $cut = $silent->reply("GET", 20);
		ok(!defined $cut->{body}, "one that does not read is cut");
		isnt($cut->{trouble}, "deadline", "at once");
	}
	$server->stop;
} workers => [1];

# A client that reads slowly holds no handler, thread or child.
each_mode {
	my ($mode, $workers) = @_;
	my $server = start(mode => $mode, workers => $workers,
	    args => ["--max-threads=2", "--max-children=2"]);
	my @readers = map { $server->connection } 1 .. 20;

	$_->send(request("/nolength?bytes=3000000")) for @readers;
	for (1 .. 5) {
		is($server->ask("/hello", seconds => 5)->{status}, 200,
		    "another is answered");
	}
	is(scalar(grep { length($_->reply->{body} // "") == 3000000 }
	    @readers), 20, "all get all of it");
	$server->stop;
} workers => [1];
done_testing;
