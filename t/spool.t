# A reply past --reply-memory and --reply-spool waits for its client; it is
# neither cut nor kept in memory.
use strict;
use warnings;
use Test::More;
use Time::HiRes qw(time);
use Tine::Test;

for my $mode (@modes) {
	my $workers = 1;
	my $server = start(mode => $mode, workers => $workers,
	    args => ["--reply-memory=64K", "--reply-spool=1M",
	    "--send-timeout=20"]);
	my $client = $server->connection;

	$client->send(request("/nolength?bytes=60000000"));
	$client->more(time + 10 * slow());
	select(undef, undef, undef, 0.5);
	my $most = 0;
	for my $pid ($server->members) {
		my ($rss) = slurp("/proc/$pid/status") =~ /^VmRSS:\s+(\d+)/m;
		$most = $rss if ($rss // 0) > $most;
	}
	cmp_ok($most, "<", 50000, "no process has the reply in memory")
	    if slow() == 1;
	is(length($client->reply("GET", 30)->{body} // ""), 60000000,
	    "a reply past its spool waits for the client");
	$server->stop;

	# A client that goes away, or takes nothing, ends the writing.
	$server = start(mode => $mode, workers => $workers,
	    args => ["--reply-memory=64K", "--reply-spool=1M",
	    "--send-timeout=0.5"]);
	$client = $server->connection;
	$client->send(request("/insist"));
	$client->more(time + 10 * slow());
	ok($server->log_like(qr/wrote \d+, error ETIMEDOUT/, 10),
	    "who takes nothing: ETIMEDOUT");
	my $other = $server->connection;
	$other->send(request("/insist"));
	$other->more(time + 10 * slow());
	$other->close;
	ok($server->log_like(qr/wrote \d+, error EPIPE/, 10),
	    "who goes away: EPIPE");
	is($server->ask("/hello")->{status}, 200, "the next is served");
	$server->stop;
}
done_testing;
