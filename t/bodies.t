# Request bodies: lengths, chunks, memory and file, bounds, Expect.
use strict;
use warnings;
use Digest::SHA qw(sha256_hex);
use Test::More;
use Tine::Test;

sub chunked {
	my ($body, $size) = @_;
	my $text = "";

	while (length $body) {
		my $piece = substr($body, 0, $size, "");
		$text .= sprintf("%x\r\n%s\r\n", length $piece, $piece);
	}
	return "${text}0\r\n\r\n";
}

each_mode {
	my ($mode, $workers) = @_;
	my $server = start(mode => $mode, workers => $workers,
	    args => ["--body-memory=10000", "--max-body=200000"]);
	my $all = join "", map { chr(($_ * 7 + ($_ >> 8)) & 255) } 1 .. 200000;
	my $client = $server->connection;

	for my $n (0, 1, 9999, 10000, 10001, 65536, 199999, 200000) {
		my $body = substr($all, 0, $n);
		my $hash = sha256_hex($body);

		$client->send(request("/sha", body => $body,
		    method => "POST"));
		my $text = $client->reply("POST")->{body} // "";
		like($text, qr/length=$n\nsha256=$hash\n/, "length $n");
		$client->send(request("/sha", method => "PUT",
		    fields => ["Transfer-Encoding: chunked"]) .
		    chunked($body, 3000));
		$text = $client->reply("PUT")->{body} // "";
		like($text, qr/length=$n\nsha256=$hash\n/, "chunked $n");
		$client->send(request("/body", body => "a" x $n));
		is($client->reply->{body}, "$n 1\n", "as a string of $n");
	}
	$client->send(request("/sha", method => "POST",
	    fields => ["Content-Length: 200001"]));
	is($client->reply->{status}, 413, "413 before it is read");
	ok($client->is_closed, "and closed");
	$client = $server->connection;
	$client->send(request("/sha", method => "POST",
	    fields => ["Transfer-Encoding: chunked"]) .
	    chunked($all . "x", 60000));
	is($client->reply->{status}, 413, "413 for too many chunks");

	$client = $server->connection;
	$client->send("POST /sha HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n" .
	    "Expect: 100-continue\r\n\r\n");
	is($client->reply->{status}, 100, "100 when it waits");
	$client->send("hello");
	like($client->reply->{body}, qr/length=5/, "then the reply");
	$client->send("POST /sha HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n" .
	    "Expect: 100-continue\r\n\r\nhello");
	is($client->reply->{status}, 200, "no 100 when it does not wait");
	$client->send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: " .
	    "200001\r\nExpect: 100-continue\r\n\r\n");
	is($client->reply->{status}, 413, "a final status instead of 100");

	is($server->ask("/stdio", method => "POST",
	    body => "first second")->{body}, "word=first\nbetween\nafter\n",
	    "stdio and tine keep their order");
	$server->stop;
};

# A handler class that speaks HTTP/1.0 does not know 100: its client waits as
# long as it likes.
for my $mode (@modes) {
	my $server = start(program => build("examples/post"), mode => $mode);
	my $client = $server->connection;

	$client->send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n" .
	    "Content-Type: application/x-www-form-urlencoded\r\n" .
	    "Expect: 100-continue\r\n\r\n");
	ok($client->is_quiet(0.3), "no 100 from HTTP/1.0");
	$client->send("a=b");
	my $reply = $client->reply;
	is($reply->{status}, 200, "but the reply when the body is there");
	like($reply->{body}, qr/^\ta=b$/m, "as it was sent");
	$server->stop;
}
done_testing;
