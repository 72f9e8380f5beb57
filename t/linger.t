# An error that is answered before its request was read still reaches the
# client: the connection is not reset under it.
use strict;
use warnings;
use Test::More;
use Time::HiRes qw(time sleep);
use Tine::Test;

each_mode {
	my ($mode, $workers) = @_;
	my $server = start(mode => $mode, workers => $workers,
	    args => ["--max-body=1000000", "--max-head=4096"]);

	# The client goes on sending after the server has answered, and reads
	# only when it is done.
	my %early = (
	    413 => "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n",
	    400 => "POST / HTTP/1.1\r\nHost: a\r\nHost: b\r\nContent-Length: 3000000\r\n\r\n",
	    431 => "POST / HTTP/1.1\r\nHost: a\r\nX: " . ("x" x 5000) . "\r\n\r\n",
	    501 => "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
	);
	for my $status (sort keys %early) {
		my $client = $server->connection;

		ok($client->send($early{$status}), "$status: the head");
		for (1 .. 30) {
			$client->send("x" x 100000) or last;
			sleep 0.002;
		}
		is($client->reply->{status}, $status,
		    "$status is received by a client that sends first");
		ok($client->is_closed, "then it is closed");
	}

	is($server->ask("/hello")->{status}, 200, "others are served");
	$server->stop;
} workers => [1];

# One that says its body will come, and stops in the middle of it, or never
# stops, is let go.
my $server = start(args => ["--max-body=1000"]);
my ($silent, $endless) = map { $server->connection } 1 .. 2;
my $head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 300000000\r\n\r\n";
my $begun = time;

$_->send($head) for $silent, $endless;
is($_->reply->{status}, 413, "it is too large")
    for $silent, $endless;
ok($silent->is_closed(1), "closed in one direction at once");
my $left = wait_for { (values %{$server->held})[0] == 1 ? time : do {
    $endless->send("x"); 0 } } 12;
ok($left, "the one that is silent is let go");
cmp_ok($left - $begun, ">", 2, "but not too soon to be read");
ok((wait_for { !$endless->send("x") } 40), "one that goes on for ever too");
cmp_ok(time - $begun, "<", 40 * slow(), "in the end");
ok((wait_for { (values %{$server->held})[0] == 0 } 5), "nothing is left");
$server->stop;
done_testing;
