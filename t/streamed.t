# Classes with stream_body: the handler starts at the end of the head.
use strict;
use warnings;
use Test::More;
use Tine::Test;

each_mode {
	my ($mode, $workers) = @_;
	my $server = start(program => build("t/streamed"), mode => $mode,
	    workers => $workers, args => ["--max-body=1M",
	    "--body-timeout=1"]);
	my $head = "POST / HTTP/1.1\r\nHost: a\r\n";
	my $client = $server->connection;

	$client->send("${head}Content-Length: 10\r\n\r\n12345");
	ok($server->log_like(qr/begun, length 10/), "begun before its end")
	    if $mode ne "fork";
	$client->send("67890${head}Content-Length: 3\r\n\r\nabc");
	like($client->reply->{body}, qr/^length=10 sum=525 error=none/,
	    "a body in two pieces");
	like($client->reply->{body}, qr/^length=3 sum=294 /,
	    "the next on the connection");
	$client->send("${head}Transfer-Encoding: chunked\r\n\r\n5\r\n123");
	$client->send("45;x=y\r\n") if 0;
	$client->send("45\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n" .
	    "${head}Content-Length: 1\r\n\r\n1");
	like($client->reply->{body}, qr/^length=8 sum=549 error=none/,
	    "chunks");
	like($client->reply->{body}, qr/^length=1 sum=49 /,
	    "and the next behind them");
	$client->send("${head}Content-Length: 500000\r\n\r\n" . "a" x 500000);
	like($client->reply->{body}, qr/^length=500000 sum=48500000 /,
	    "a long one");
	$client->send("${head}Expect: 100-continue\r\nContent-Length: 2\r\n\r\n");
	is($client->reply->{status}, 100, "100 when it is wanted");
	$client->send("aa");
	like($client->reply->{body}, qr/^length=2 sum=194 /, "then the reply");
	if ($mode ne "fork") {
		$client->send("POST /early HTTP/1.1\r\nHost: a\r\n" .
		    "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n");
		my $reply = $client->reply;
		is($reply->{status}, 200, "not when nobody reads");
		is($reply->{fields}{connection}, "close", "and the end");
		$client = $server->connection;
		$client->send("${head}Content-Length: 10\r\n\r\n12345");
		like($client->reply->{body}, qr/^length=5 .*error=ETIMEDOUT/,
		    "a client that stops");
		$client = $server->connection;
		$client->send("${head}Content-Length: 10\r\n\r\n12345");
		$client->half_close;
		like($client->reply->{body}, qr/^length=5 .*error=ECONNRESET/,
		    "one that ends");
		$client = $server->connection;
		$client->send("${head}Transfer-Encoding: chunked\r\n\r\nx");
		like($client->reply->{body}, qr/error=EBADMSG/, "no chunks");
	}
	is(reply_of($server, "${head}Content-Length: 2000000\r\n\r\n")
	    ->{status}, 413, "over --max-body: 413");
	$server->stop;
} workers => [1];
done_testing;
