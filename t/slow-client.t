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
