# What the modes promise: how many handlers at once, and what goes on while
# one takes long.
use strict;
use warnings;
use Test::More;
use Time::HiRes qw(time sleep);
use Tine::Test;

sub at_once {
	my ($server, $count, $path) = @_;
	my $begun = time;
	my @clients = map { my $c = $server->connection;
	    $c->send(request($path)); $c } 1 .. $count;
	my $good = grep { ($_->reply("GET", 30)->{status}) == 200 } @clients;

	return ($good, time - $begun);
}

for my $mode (@modes) {
	for my $workers (0, 1) {
		my $server = start(mode => $mode, workers => $workers);
		my ($good, $time) = at_once($server, 8, "/sleep?ms=250");

		is($good, 8, "$mode, $workers workers: 8 at once");
		if ($mode eq "single") {
			cmp_ok($time, ">=", 2, "one after the other");
			cmp_ok($time, "<", 2.6 * slow(), "and no longer");
		} else {
			cmp_ok($time, "<", 1 * slow(), "side by side");
		}
		my $left = $server->ask("/deadline")->{body};
		chomp($left);
		ok($workers == 0 ? $left == -1 : $left > 0 && $left <= 60000,
		    "tine_request_deadline: $left");
		$server->stop;
	}
}

# A busy handler stops neither reading, draining, expiring nor accepting.
for my $workers (0, 1) {
	my $server = start(mode => "single", workers => $workers,
	    args => ["--header-timeout=0.5s", "--send-timeout=20s"]);
	my $reader = $server->connection;
	my $busy = $server->connection;
	my $end = time + 20 * slow();

	$reader->send(request("/big?bytes=30000000"));
	$reader->more($end) while length $reader->{buffer} < 1000;
	$busy->send(request("/sleep?ms=3000"));
	wait_for { $server->log_like(qr/./, 0.01); 1 } 0.2;
	my $begun = time;
	my $late = $server->connection;
	$late->send("GET / HT");
	is($late->reply->{status}, 408, "a late head is answered");
	my $body = $reader->reply->{body};
	is(length($body // ""), 30000000, "a reply is drained");
	my @more = map { my $c = $server->connection;
	    $c->send(request("/x$_", body => "b" x 100000)); $c } 1 .. 5;
	cmp_ok(time - $begun, "<", 2.9, "all while the handler runs")
	    if slow() == 1;
	is($busy->reply("GET", 20)->{status}, 200, "which ends");
	is(scalar(grep { $_->reply->{body} =~ /length=100000/ } @more), 5,
	    "and those that waited have their turn");
	$server->stop;
}

SKIP: {
	skip "no mode thread", 1 unless grep { $_ eq "thread" } @modes;
	my $server = start(mode => "thread", workers => 1,
	    args => ["--max-threads=4"]);
	my ($good, $time) = at_once($server, 12, "/sleep?ms=200");

	is($good, 12, "more than --max-threads");
	cmp_ok($time, ">=", 0.6, "wait their turn");
	$server->stop;
}
SKIP: {
	skip "no mode fork", 1 unless grep { $_ eq "fork" } @modes;
	my $server = start(mode => "fork", workers => 1,
	    args => ["--max-children=4"]);
	my ($good, $time) = at_once($server, 12, "/sleep?ms=200");

	is($good, 12, "more than --max-children");
	cmp_ok($time, ">=", 0.6, "wait their turn");
	my @pids = map { $server->ask("/pid")->{body} =~ /^(\d+)/ } 1 .. 3;
	my %different = map { $_ => 1 } @pids;
	is(scalar(keys %different), 3, "a process for each");
	$server->stop;

	$server = start(mode => "fork", workers => 1,
	    args => ["--child-requests=5", "--spare-children=1"]);
	my @counts = map { $server->ask("/count")->{body} + 0 } 1 .. 12;
	cmp_ok((sort { $b <=> $a } @counts)[0], ">", 1,
	    "--child-requests: a child takes more than one");
	cmp_ok((sort { $b <=> $a } @counts)[0], "<=", 5, "and no more");
	$server->stop;

	$server = start(mode => "fork", workers => 1,
	    quiet => qr/in a handler|child \d+ ended/);
	my $keep = $server->connection;
	for my $how ("how=null", "how=abort", "how=stack", "signal=9") {
		is($server->ask("/crash?$how")->{status}, 500,
		    "a crash ($how) is a 500");
	}
	is($server->ask("/exit?status=3")->{status}, 500, "so is exit");
	ok($server->log_like(qr/child \d+ ended with exit status 3 while it served client 127\.0\.0\.1, request "GET \/exit\?status=3/),
	    "and the log has it");
	ok($server->log_like(qr/signal 11 .*\/crash\?how=null/), "the signal too");
	$keep->send(request("/hello"));
	is($keep->reply->{status}, 200, "other connections live on");
	$server->stop;
}
done_testing;
