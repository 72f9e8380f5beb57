# Mode single: what waits on a worker whose handler takes long goes to another
# worker that has nothing to do.
use strict;
use warnings;
use Test::More;
use Time::HiRes qw(time);
use Tine::Test;

plan skip_all => "single only" unless grep { $_ eq "single" } @modes;

# Sends to all and gives the longest time that one waited, or undef.
sub longest_wait {
	my ($bytes, @clients) = @_;
	my $begun = time;
	my $longest = 0;

	$_->send($bytes) for @clients;
	for my $client (@clients) {
		return undef if $client->reply("GET", 5)->{status} != 200;
		my $waited = time - $begun;
		$longest = $waited if $waited > $longest;
	}
	return $longest;
}

my $server = start(workers => 4);
my @clients = map { $server->connection } 1 .. 400;
my $alone = longest_wait(request("/hello"), @clients);
my $busy = $server->connection;
$busy->send(request("/sleep?ms=" . 4000 * slow()));
ok($busy->is_quiet(0.3), "one of four workers is busy");
my $beside = longest_wait(request("/hello"), @clients);
my $again = longest_wait(request("/hello"), @clients);
ok(defined $beside && defined $again, "400 on all of them are answered");
# Reading 400 replies takes its time as well, as it did before.
cmp_ok($beside, "<", $alone + 0.5 * slow(), "none waits for the busy one");
cmp_ok($again, "<", $alone + 0.5 * slow(), "nor the next time");

# A body in memory, one in a file, and one in chunks, each cut in two.
my $body = "x" x 100_000;
for my $how (["Content-Length: 100000\r\n", $body],
    ["Content-Length: 1000\r\n", "x" x 1000],
    ["Transfer-Encoding: chunked\r\n", "186a0\r\n$body\r\n0\r\n\r\n"]) {
	my ($field, $bytes) = @$how;
	my $good = 0;
	for my $client (@clients[0 .. 15]) {
		$client->send("POST / HTTP/1.1\r\nHost: a\r\n$field\r\n" .
		    substr($bytes, 0, 500));
		$client->send(substr($bytes, 500));
		my $reply = $client->reply("POST", 5);
		$good++ if ($reply->{body} // "") =~ /^length=\d+000$/m;
	}
	is($good, 16, "$field: bodies move too");
}
is($busy->reply->{status}, 200, "the long one ends");
$server->stop;

# With nobody free they wait in order.
$server = start(workers => 2);
my @long = map { my $c = $server->connection;
    $c->send(request("/sleep?ms=1000")); $c } 1 .. 4;
is(scalar(grep { $_->reply("GET", 10)->{status} == 200 } @long), 4,
    "four long ones on two workers");
$server->stop;
done_testing;
