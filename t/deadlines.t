# Every state of a connection has a deadline: not before it, not long after
# it, and not for a client that makes progress.
use strict;
use warnings;
use Test::More;
use Time::HiRes qw(time sleep);
use Tine::Test;

my $late = 0.8 * slow() * slow();	# what a busy machine may add

# When the next thing comes from the server, in seconds from begun.
sub when {
	my ($client, $begun) = @_;
	$client->more(time + 10 * slow());
	return time - $begun;
}

sub is_when {
	my ($client, $begun, $due, $name) = @_;
	my $time = when($client, $begun);

	cmp_ok($time, ">=", $due - 0.02, "$name: not early");
	cmp_ok($time, "<", $due + $late, "$name: not late");
}

for my $mode (@modes) {
	for my $poller ("epoll", $mode eq "single" ? "poll" : ()) {
		my $server = start(mode => $mode, args => ["--poller=$poller",
		    "--header-timeout=0.6", "--keep-alive=900ms",
		    "--body-timeout=0.75s", "--send-timeout=1"]);
		my %c = map { $_ => $server->connection }
		    qw(silent head fields body chunk idle);

		my $begun = time;
		$c{head}->send("GE");
		$c{fields}->send("GET / HTTP/1.1\r\nHost: a\r\n");
		$c{body}->send("POST / HTTP/1.1\r\nHost: a\r\n" .
		    "Content-Length: 10\r\n\r\nabc");
		$c{chunk}->send("POST / HTTP/1.1\r\nHost: a\r\n" .
		    "Transfer-Encoding: chunked\r\n\r\n5\r\nab");
		is_when($c{head}, $begun, 0.6, "$mode, $poller: a head");
		is_when($c{fields}, $begun, 0.6, "the fields");
		is_when($c{body}, $begun, 0.75, "a body");
		is_when($c{chunk}, $begun, 0.75, "a chunk");
		for my $name (qw(head fields body chunk)) {
			my $reply = $c{$name}->reply;

			is($reply->{status}, 408, "$name: 408");
			is($reply->{fields}{connection}, "close", "close");
			ok($c{$name}->is_closed, "closed");
		}
		$begun = time;
		$c{idle}->send(request("/hello"));
		is($c{idle}->reply->{status}, 200, "one request");
		is_when($c{idle}, $begun, 0.9, "idle after it");
		is($c{idle}{trouble}, "end", "closed without a word");
		ok($c{silent}->is_closed, "so is one that never spoke");

		# Progress puts the deadline off.
		my $slow = $server->connection;
		$slow->send("POST / HTTP/1.1\r\nHost: a\r\n" .
		    "Content-Length: 3000\r\n\r\n");
		sleep(0.25), $slow->send("x" x 500) for 1 .. 6;
		like($slow->reply->{body} // "", qr/^length=3000$/m,
		    "a body that comes slowly is waited for");
		my $busy = $server->connection;
		$busy->send(request("/hello")), sleep(0.3),
		    is($busy->reply->{status}, 200, "kept alive")
		    for 1 .. 5;
		$server->stop;
	}
}

# A client that reads slowly has its reply, one that does not is given up;
# the one is no hindrance to the other.
each_mode {
	my ($mode, $workers) = @_;
	my $server = start(mode => $mode, workers => $workers,
	    args => ["--send-timeout=1"]);
	my ($slow, $stopped) = map { $server->connection } 1 .. 2;

	$_->send(request("/big?bytes=12000000")) for $slow, $stopped;
	my $begun = time;
	my $end = time + 20 * slow();
	for my $part (1 .. 8) {
		1 while length $slow->{buffer} < $part * 1000000 &&
		    $slow->more($end);
		sleep 0.3;
	}
	cmp_ok(time - $begun, ">", 2, "slower than the deadline in all");
	is(length($slow->reply("GET", 20)->{body} // ""), 12000000,
	    "a slow reader has it all");
	my $reply = $stopped->reply;
	is($reply->{status}, 200, "one that stopped has its head");
	ok(!defined $reply->{body}, "but not all of the body");
	$server->stop;
} workers => [1];

# A head at a good rate may take longer, but not for ever.
my $server = start(args => ["--header-timeout=0.5"]);
my $client = $server->connection;
$client->send("GET / HTTP/1.1\r\nHost: a\r\n");
for my $i (1 .. 7) {
	sleep 0.1;
	$client->send("X$i: " . ("x" x 200) . "\r\n");
}
$client->send("\r\n");
is($client->reply->{status}, 200, "a head at 2,000 bytes a second");
$client = $server->connection;
my $begun = time;
$client->send("GET / HTTP/1.1\r\nHost: a\r\n");
my $i = 0;
wait_for {
	sleep 0.1;
	$i++;
	!$client->send("X$i: " . ("x" x 100) . "\r\n") ||
	    IO::Select->new($client->{socket})->can_read(0);
} 6;
cmp_ok(time - $begun, "<", 1 + $late, "has twice the time, no more");
is($client->reply->{status}, 408, "then 408");
$server->stop;

# 0 turns a limit off.
$server = start(args => [map { "--$_=0" } qw(header-timeout body-timeout
    keep-alive send-timeout)]);
my ($head, $body, $idle) = map { $server->connection } 1 .. 3;
$head->send("GET /hello HTTP/1.1\r\nHost: a\r\n");
$body->send("POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n1");
$idle->send(request("/hello"));
is($idle->reply->{status}, 200, "no limits");
sleep 2;
ok($_->is_quiet(0), "nothing expires") for $head, $body, $idle;
$head->send("\r\n");
$body->send("2");
$idle->send(request("/hello"));
is($_->reply->{status}, 200, "all is answered") for $head, $body, $idle;
$server->stop;
done_testing;
