# Methods: which there are, how they are told apart, and what is answered to
# one that a handler does not have.
use strict;
use warnings;
use Test::More;
use Tine::Test;

each_mode {
	my ($mode, $workers) = @_;
	my $server = start(mode => $mode, workers => $workers);
	my $client = $server->connection;

	for my $method (qw(GET POST PUT DELETE OPTIONS PATCH PROPFIND get
	    M-SEARCH x!#$%&'*+-.^_`|~9)) {
		$client->send(request("/a?b=c", method => $method));
		my $reply = $client->reply($method);
		is($reply->{status}, 200, "$method is answered");
		like($reply->{body} // "", qr/^method=\Q$method\E\ntarget=\/a\?b=c\n/,
		    "as it came");
	}
	$client->send(request("/a", method => "HEAD") . request("/a"));
	my $head = $client->reply("HEAD");
	my $get = $client->reply;
	is($head->{status}, 200, "HEAD");
	is($head->{body}, "", "has no body");
	# "HEAD" is longer than "GET" in what the target says.
	is($head->{fields}{"content-length"},
	    $get->{fields}{"content-length"} + 1, "but its length");
	$client->send(request("*", method => "OPTIONS"));
	like($client->reply->{body} // "", qr/^target=\*$/m, "OPTIONS *");
	$client->send(request("http://b.example:80/headers?x",
	    fields => ["X-Host: c"]));
	is($client->reply->{body}, "Host: b.example:80\nX-Host: c\n",
	    "the host of an absolute target is the one that counts");

	for my $method (qw(TRACE CONNECT)) {
		my $target = $method eq "CONNECT" ? "localhost:1" : "/";
		my $reply = reply_of($server, "$method $target HTTP/1.1\r\n" .
		    "Host: localhost\r\n\r\n", $method);
		like($reply->{status}, qr/^(405|501)$/, "$method is refused");
		ok($reply->{status} != 405 || $reply->{fields}{allow},
		    "405 comes with Allow");
	}
	$server->stop;

	# get has GET and HEAD, and no more.
	$server = start(program => build("examples/get"), mode => $mode,
	    workers => $workers);
	for my $method (qw(POST PUT DELETE PATCH OPTIONS get G)) {
		my $reply = $server->ask("/", method => $method);
		is($reply->{status}, 501, "$method: 501");
		like($reply->{body} // "",
		    qr/<p>Message: Unsupported method \((&#x27;|&#39;|')$method\1\)\.\n/,
		    "in Python's words");
		is($reply->{reason}, "Unsupported method ('$method')",
		    "in the status line too");
	}
	is($server->ask("/", method => "HEAD")->{status}, 200, "HEAD: 200");
	for my $version ("1.1", "1.0") {
		my $reply = $server->ask("*", method => "OPTIONS",
		    version => $version);
		is($reply->{status}, 200, "OPTIONS *, $version: it is there");
		is($reply->{body}, "", "and says no more");
		is($reply->{fields}{"content-length"}, 0, "of no length");
	}
	ok($server->log_like(
	    qr/code 501, message Unsupported method \('G'\)\n[^\n]*"G \/ HTTP\/1\.1" 501 /),
	    "both lines are in the log");
	$server->stop;
};
done_testing;
