# Replies: how they end, how large they may be, what may not be in them.
use strict;
use warnings;
use Test::More;
use Tine::Test;

each_mode {
	my ($mode, $workers) = @_;
	my $server = start(mode => $mode, workers => $workers,
	    quiet => qr/header field|bad header|Content-Length|sent no reply/);
	my $client = $server->connection;

	for my $bytes (0, 1, 4096, 7167, 7168, 8192, 262144, 300000, 5000000) {
		$client->send(request("/big?bytes=$bytes"));
		ok(is_pattern($client->reply->{body}, $bytes),
		    "$bytes with a length");
		$client->send(request("/nolength?bytes=$bytes"));
		my $reply = $client->reply;
		ok(is_pattern($reply->{body}, $bytes), "$bytes without");
		is($reply->{fields}{"transfer-encoding"} ? 1 : 0,
		    $bytes > 8000 ? 1 : 0, "chunked only if long")
		    if $bytes < 7000 || $bytes > 8000;
		for my $how ("", "&nolength") {
			$client->send(request("/sendfile?bytes=$bytes$how"));
			ok(is_pattern($client->reply->{body}, $bytes),
			    "$bytes of a file$how");
		}
	}
	ok(is_pattern($server->ask("/nolength?bytes=3000000",
	    version => "1.0")->{body}, 3000000), "to a 1.0 client");

	$client->send(request("/hello", method => "HEAD") . request("/hello"));
	my $reply = $client->reply("HEAD");
	is($reply->{fields}{"content-length"}, 13, "HEAD has GET's length");
	is($client->reply->{body}, "Hello, world!", "and no body");
	$client->send(request("/status?code=$_") . request("/hello")), 
	    is($client->reply->{status}, $_, "status $_"),
	    is($client->reply->{body}, "Hello, world!", "nothing after it")
	    for 204, 304, 200;
	$client->send(request("/status?code=204"));
	ok(!exists $client->reply->{fields}{"content-length"},
	    "204 has no length");
	$client->send(request("/flush?n=5&ms=5"));
	is($client->reply->{body}, join("", map { "line $_\n" } 0 .. 4),
	    "flushed piece by piece");

	$client->send(request("/flush?n=2&ms=700"));
	my $end = Time::HiRes::time() + 5 * slow();
	1 while $client->{buffer} !~ /line 0/ && $client->more($end);
	like($client->{buffer}, qr/line 0/, "the first piece comes");
	unlike($client->{buffer}, qr/line 1/, "before the second");
	is($client->reply->{body}, "line 0\nline 1\n", "then all");

	$reply = $server->ask("/error?code=404&tag");
	is($reply->{status}, 404, "an error page");
	like($reply->{body}, qr/&lt;b&gt;&amp;&#x27;&quot;/, "is escaped");
	is_deeply([@{$reply->{order}}[-3 .. -1]],
	    ["Content-Type", "Content-Length", "Connection"], "its fields");
	$reply = $server->ask("/error?code=599");
	like($reply->{body}, qr/Message: \?\?\?/, "an unknown code");
	$reply = $server->ask("/inject");
	is($reply->{status}, 500, "an injected field is a 500");
	ok(!exists $reply->{fields}{"set-cookie"}, "and does not go out");
	is($server->ask("/no-reply")->{status}, 500, "no reply is a 500");
	$reply = $server->ask("/short");
	ok(!defined $reply->{body}, "too short a reply shows");
	is($server->ask("/long")->{body}, "more", "too long a reply is cut");

	for my $bytes (0, 13, 300000) {
		$client->send(request("/interim?bytes=$bytes"));
		is($client->reply->{status}, 103, "an interim reply");
		ok(is_pattern($client->reply->{body}, $bytes),
		    "then $bytes bytes");
	}
	$client->send(request("/interim?pause=700"));
	is($client->reply->{fields}{link}, "</style.css>; rel=preload",
	    "an interim reply");
	ok($client->is_quiet, "comes at once");
	is($client->reply->{status}, 200, "then the reply");
	is($server->ask("/interim", version => "1.0")->{status}, 200,
	    "none to a 1.0 client");
	$client->send(request("/interim?fail"));
	is($client->reply->{status}, $_, "nothing after it: $_") for 103, 500;
	ok(!defined $server->ask("/late-error")->{body},
	    "an error when part of a reply is out cuts it");

	$client = $server->connection;
	$client->send(request("/status?code=204&length") . request("/hello"));
	is($client->reply->{status}, 204, "a handler's length of a 204");
	is($client->reply->{body}, "Hello, world!", "is left out");

	my $reset = $server->ask("/status?code=205&body");
	is($reset->{body}, "", "205 has no content");
	is($reset->{fields}{"content-length"}, 0, "and says so");

	for my $body ("", "hello") {
		$reply = reply_of($server, "POST /uninvited HTTP/1.1\r\n" .
		    "Host: a\r\nExpect: 100-continue\r\n" .
		    "Content-Length: 5\r\n\r\n$body");
		is($reply->{status}, 403, "handle_expect_100 is asked");
		is($reply->{fields}{connection}, "close", "and closes");
	}

	# That a body was asked for is no beginning of its reply.
	my %after = ("/error?code=404" => 404, "/no-reply" => 500,
	    "/inject" => 500, "/status?code=204" => 204,
	    "/big?bytes=300000" => 200, "/nolength?bytes=300000" => 200);
	for my $path (sort keys %after) {
		$client = $server->connection;
		$client->send("POST $path HTTP/1.1\r\nHost: a\r\n" .
		    "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n");
		is($client->reply->{status}, 100, "$path: 100");
		$client->send("hello");
		$reply = $client->reply;
		is($reply->{status}, $after{$path}, "and then its reply");
		ok(defined $reply->{body}, "which is whole");
	}
	$server->stop;
};

# A large reply is whole, whichever way it is made and however it is read.
for my $mode (@modes) {
	my $server = start(mode => $mode, workers => 1);
	my $bytes = 50000000;

	for my $path ("/big", "/nolength", "/sendfile") {
		my $client = $server->connection;

		$client->send(request("$path?bytes=$bytes"));
		ok(is_pattern($client->reply("GET", 30)->{body}, $bytes),
		    "$mode: $path of 50 MB");
		$client->send(request("/hello"));
		is($client->reply->{body}, "Hello, world!",
		    "and the next on the connection");
	}
	$server->stop;
}
done_testing;
