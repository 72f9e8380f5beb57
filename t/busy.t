# In mode single a handler that takes long stops neither reading, sending,
# expiring nor accepting; only other handlers wait for it.
use strict;
use warnings;
use Digest::SHA qw(sha256_hex);
use Test::More;
use Time::HiRes qw(time);
use Tine::Test;

my $long = 4 * slow();	# seconds

for my $workers (0, 1) {
	for my $how ("sleep", "spin") {
		my $server = start(mode => "single", workers => $workers,
		    args => ["--header-timeout=0.5s", "--keep-alive=0.7s",
		    "--body-timeout=30s", "--timeout=0"]);
		my $name = "$how, $workers workers";
		my $reader = $server->connection;
		my $idle = $server->connection;
		my $busy = $server->connection;
		my $end = time + 30 * slow();

		$reader->send(request("/big?bytes=20000000"));
		$reader->more($end) while length $reader->{buffer} < 1000;
		$idle->send(request("/hello"));
		is($idle->reply->{status}, 200, "$name: a connection");
		$busy->send(request("/$how?ms=" . $long * 1000));
		ok($busy->is_quiet(0.2), "the handler runs");
		my $begun = time;

		# Accepting and expiring.
		my @late = map { $server->connection } 1 .. 50;
		$_->send("GET / HT") for @late;
		is(scalar(grep { $_->reply->{status} == 408 } @late), 50,
		    "50 new connections that say too little: 408");
		ok($idle->is_closed, "an idle connection expires");
		# Sending.
		is(length($reader->reply("GET", 20)->{body} // ""), 20000000,
		    "a reply is sent to its end");
		# Reading: more than the kernel's buffers hold.
		my $body = "0123456789abcdef" x 1000000;
		my $writer = $server->connection;
		ok($writer->send(request("/sha", method => "POST",
		    body => $body)), "a body of 16 MB is read");
		my $refused = reply_of($server, "GET / HTTP/3.0\r\n\r\n");
		is($refused->{status}, 505, "a bad request is answered");
		my @wait = map { my $c = $server->connection;
		    $c->send(request("/count")); $c } 1 .. 20;
		ok($busy->is_quiet(0), "all while the handler runs");
		cmp_ok(time - $begun, "<", $long - 0.2, "in time");
		ok($_->is_quiet(0), "others' handlers wait")
		    for $writer, $wait[0];

		# Where processors are shared it has a part of one.
		is($busy->reply("GET", 20 * $long)->{body}, "Hello, world!",
		    "it ends");
		my $hash = sha256_hex($body);
		like($writer->reply->{body} // "", qr/^sha256=$hash$/m,
		    "then the body has its turn");
		is_deeply([map { ($_->reply->{body} // "?") + 0 } @wait],
		    [1 .. 20], "and the others, in their order");
		$server->stop;
	}
}
done_testing;
