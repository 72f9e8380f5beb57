# Requests that wait for a handler have their turn, whoever leads the loop
# when it becomes free.
use strict;
use warnings;
use Test::More;
use Tine::Test;

for my $mode (@modes) {
	my $server = start(mode => $mode, workers => 0,
	    args => ["--max-threads=2", "--max-children=2"]);
	my $lost = 0;

	for my $round (1 .. 40) {
		my @clients = map { my $c = $server->connection;
		    $c->send(request("/sleep?ms=15")); $c } 1 .. 8;
		$lost += grep { $_->reply("GET", 5)->{status} != 200 }
		    @clients;
		last if $lost;
	}
	is($lost, 0, "$mode: 40 rounds of 8 requests, none is forgotten");
	$server->stop;
}

# Some still wait when the time for a graceful stop is over.
for my $mode (@modes) {
	my $server = start(mode => $mode, workers => 0, is_cut => 1, args =>
	    ["--max-threads=2", "--max-children=2", "--graceful-timeout=0.5"]);
	my @clients = map { my $c = $server->connection;
	    $c->send(request("/sleep?ms=1500")); $c } 1 .. 6;

	select(undef, undef, undef, 0.3);
	kill("TERM", $server->{pid});
	is($server->ended(10), 0, "$mode: they are cut, and the end is clean");
}
done_testing;
