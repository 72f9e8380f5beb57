# Connections that stay: who keeps, who closes, pipelining in order.
use strict;
use warnings;
use Test::More;
use Tine::Test;

each_mode {
	my ($mode, $workers) = @_;
	my $server = start(mode => $mode, workers => $workers);
	my $client = $server->connection;

	for my $i (1 .. 5) {
		$client->send(request("/hello"));
		my $reply = $client->reply;
		is("$reply->{status} $reply->{body}", "200 Hello, world!",
		    "request $i on one connection");
		is($reply->{fields}{"content-length"}, 13, "its length");
		ok(!defined $reply->{fields}{connection}, "1.1 keeps silently");
	}
	$client->send(join "", map { request("/x$_") } 1 .. 40);
	my @targets = map { $client->reply->{body} =~ /target=(\S+)/; $1 }
	    1 .. 40;
	is_deeply(\@targets, [map { "/x$_" } 1 .. 40], "40 in order");

	$client->send(request("/a", body => "one") .
	    request("/b", body => "three", method => "POST") . request("/c"));
	is(join(" ", map { $client->reply->{body} =~ /length=(\d+)/; $1 }
	    1 .. 3), "3 5 0", "bodies between");
	$client->send(request("/hello", close => 1));
	is($client->reply->{fields}{connection}, "close", "told");
	ok($client->is_closed, "and closed");

	$client = $server->connection;
	$client->send(request("/hello", version => "1.0"));
	is($client->reply->{fields}{connection}, "close", "1.0 closes");
	ok($client->is_closed, "indeed");
	$client = $server->connection;
	$client->send(request("/hello", version => "1.0",
	    fields => ["Connection: keep-alive"]) x 2);
	is($client->reply->{fields}{connection}, "keep-alive", "1.0 may keep");
	is($client->reply->{status}, 200, "and goes on");

	$client = $server->connection;
	$client->send(request("/hello"));
	$client->half_close;
	is($client->reply->{status}, 200, "a half-closed client is answered");
	ok($client->is_closed, "then closed");
	$server->stop;
};
done_testing;
