# A crash costs one request: its client gets 500, the others keep their
# connections, and the log says where it was.
use strict;
use warnings;
use Test::More;
use Time::HiRes qw(time sleep);
use Tine::Test;

my $noise = qr/worker \d|child \d|in a handler|^  #|in a row|sent no reply/;

for my $mode (@modes) {
	for my $workers (1, 4) {
		my $server = start(mode => $mode, workers => $workers,
		    quiet => $noise);
		my @clients = map { $server->connection } 1 .. 64;
		my ($good, $bad, $told) = (0, 0, 0);
		my $begun = time;

		for my $round (1 .. ($workers == 4 ? 20 : 3)) {
			my @crashing = map { $server->connection } 1 .. 2;
			$_->send(request("/hello")) for @clients[0 .. 31];
			$_->send(request("/crash?how=null")) for @crashing;
			$_->send(request("/hello")) for @clients[32 .. 63];
			for my $client (@clients) {
				$client->reply("GET", 10)->{status} == 200
				    ? $good++ : $bad++;
			}
			$told += $_->reply("GET", 10)->{status} == 500
			    for @crashing;
		}
		is($bad, 0, "$mode, $workers: no good request is lost of " .
		    ($good + $bad));
		is($told, $workers == 4 ? 40 : 6, "each that crashes gets 500");
		unlike($server->err, qr/in a row/, "no back-off");
		$server->stop;
	}

	my $server = start(mode => $mode, workers => 2, quiet => $noise,
	    log => 1);
	my @idle = map { my $c = $server->connection;
	    $c->send(request("/hello")); $c->reply; $c } 1 .. 100;
	my @half = map { my $c = $server->connection;
	    $c->send("GET /hello HTTP/1.1\r\nHo"); $c } 1 .. 20;
	my @body = map { my $c = $server->connection;
	    $c->send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n" .
	    "12345"); $c } 1 .. 20;
	my @chunked = map { my $c = $server->connection;
	    $c->send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: " .
	    "chunked\r\n\r\n5\r\n123"); $c } 1 .. 20;
	my @slow = map { my $c = $server->connection;
	    $c->send(request("/nolength?bytes=3000000")); $c } 1 .. 10;
	my @file = map { my $c = $server->connection;
	    $c->send(request("/sendfile?bytes=3000000")); $c } 1 .. 10;
	sleep 0.5;
	for my $how ("how=null", "how=stack", "how=abort", "signal=8",
	    "signal=4", "signal=7", "how=exit") {
		my $reply = $server->ask("/crash?$how", seconds => 10);
		is($reply->{status}, 500, "$mode, $how: 500");
		like($reply->{fields}{connection}, qr/close/, "and the end");
	}
	$server->ask("/crash?how=null");
	my $head = $server->connection;
	$head->send(request("/crash?how=null", method => "HEAD"));
	is($head->reply("HEAD")->{status}, 500, "HEAD: 500");
	ok($head->is_closed, "without a body");
	my $good = 0;
	for my $client (@idle) {
		$client->send(request("/hello"));
		$good++ if $client->reply("GET", 10)->{status} == 200;
	}
	is($good, 100, "idle connections live on");
	$good = 0;
	$_->send("st: a\r\n\r\n") for @half;
	$_->reply("GET", 10)->{status} == 200 && $good++ for @half;
	is($good, 20, "half of a head is kept");
	$good = 0;
	$_->send("67890") for @body;
	($_->reply("POST", 10)->{body} // "") =~ /length=10/ && $good++
	    for @body;
	is($good, 20, "half of a body is kept");
	$good = 0;
	$_->send("45\r\n0\r\n\r\n") for @chunked;
	($_->reply("POST", 10)->{body} // "") =~ /length=5/ && $good++
	    for @chunked;
	is($good, 20, "a part of a chunk is kept");
	$good = 0;
	is_pattern($_->reply("GET", 20)->{body}, 3000000) && $good++
	    for @slow, @file;
	is($good, 20, "replies that are being sent are sent to the end");
	my $log = $server->err;
	like($log, qr/signal 11 \(SIGSEGV\) at address 0x/, "signal, address");
	like($log, qr/client 127\.0\.0\.1, request "GET \/crash\?how=null/,
	    "client, request") if $mode ne "fork";
	like($log, qr/^  #\d+ crash\b/m, "the handler's name");
	like($log, qr{"GET /crash\?how=null HTTP/1\.1" 500 },
	    "the request's line in the request log");
	$server->stop;

	# After a part of the reply it ends so that the client sees it.
	$server = start(mode => $mode, workers => 2, quiet => $noise);
	for my $query ("length&bytes=5000", "bytes=5000") {
		my $client = $server->connection;
		$client->send(request("/crash-half?$query&pause=100"));
		my $reply = $client->reply("GET", 10);
		ok(!defined $reply->{body}, "$mode, $query: the cut shows");
	}
	$server->stop;
}

# Mode thread: handlers on other threads end first.
if (grep { $_ eq "thread" } @modes) {
	my $server = start(mode => "thread", workers => 1, quiet => $noise);
	my @others = map { my $c = $server->connection;
	    $c->send(request("/sleep?ms=500")); $c } 1 .. 7;
	$others[0]->is_quiet(0.2);
	is($server->ask("/crash?how=null")->{status}, 500, "one crashes");
	is(scalar(grep { $_->reply("GET", 5)->{status} == 200 } @others), 7,
	    "seven others end");
	my @both = map { my $c = $server->connection;
	    $c->send(request("/crash?how=null")); $c } 1 .. 4;
	is(scalar(grep { $_->reply("GET", 5)->{status} == 500 } @both), 4,
	    "several at once: each gets 500");
	$server->stop;
}
done_testing;
