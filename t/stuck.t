# A handler that is stuck is ended after --timeout, in each mode: its client
# gets 504, its worker is replaced, and the others are served.
use strict;
use warnings;
use Test::More;
use Time::HiRes qw(time sleep);
use Tine::Test;

for my $mode (@modes) {
	my $server = start(mode => $mode, workers => 2,
	    args => ["--timeout=1"],
	    quiet => qr/stuck|in a handler|worker \d|child \d/);
	my @before = $server->workers_of;
	my @idle = map { my $c = $server->connection;
	    $c->send(request("/hello")); $c->reply; $c } 1 .. 20;
	my $stuck = $server->connection;
	my $begun = time;
	$stuck->send(request("/sleep?ms=60000"));
	is($server->ask("/hello")->{status}, 200, "$mode: others are served");
	is($stuck->reply("GET", 5)->{status}, 504, "the client gets 504");
	cmp_ok(time - $begun, "<", 2.5 * slow(), "in time");
	ok($server->log_like(qr/stuck|--timeout/), "the log says it");
	ok((wait_for { my %now = map { $_ => 1 } $server->workers_of;
	    keys %now == 2 && grep { !$now{$_} } @before } 5),
	    "its worker is replaced") if $mode ne "fork";
	$_->send(request("/hello")) for @idle;
	is(scalar(grep { $_->reply->{status} == 200 } @idle), 20,
	    "idle connections live on");
	$server->stop;

	# A slow reader is no stuck handler.
	$server = start(mode => $mode, workers => 1,
	    args => ["--timeout=1", "--reply-memory=64K",
	    "--reply-spool=64K"]);
	my $slow = $server->connection;
	$slow->send(request("/nolength?bytes=20000000"));
	sleep 1.8;
	is(length($slow->reply("GET", 20)->{body} // ""), 20000000,
	    "$mode: who reads slowly gets the whole reply");
	$server->stop;
}
done_testing;
