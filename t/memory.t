# --memory: what clients take of a worker is bounded.  Bodies and replies go to
# files instead, reading pauses, and those who wait are served in the end.
use strict;
use warnings;
use Digest::SHA qw(sha256_hex);
use Test::More;
use Time::HiRes qw(time);
use Tine::Test;

sub rss_of {
	my ($kilobytes) = slurp("/proc/$_[0]/status") =~ /^VmRSS:\s+(\d+)/m;
	return $kilobytes // 0;
}

# The resident memory of all processes of a server, in KiB, its children of
# mode fork apart.
sub memory_of {
	my $server = shift;
	my ($worker) = $server->{workers} ? $server->workers_of
	    : ($server->{pid});
	return rss_of($worker);
}

# What an idle worker shares with nobody: it begins as a copy of the master,
# and each page that it writes is its own then.
if (($ENV{TINE_SANITIZER} // "no") eq "no") {
	my $server = start(mode => "single", workers => 2);
	for my $worker ($server->workers_of) {
		my $own;
		wait_for { ($own) = slurp("/proc/$worker/smaps_rollup") =~
		    /^Private_Dirty:\s+(\d+)/m; defined $own };
		cmp_ok($own, "<=", 124, "a worker at rest has $own KiB");
	}
	$server->stop;
}

each_mode {
	my ($mode, $workers) = @_;
	my $server = start(mode => $mode, workers => $workers,
	    args => ["--memory=2M", "--header-timeout=1", "--max-head=1M"]);

	is($server->ask("/hello")->{status}, 200, "it serves");
	my $before = memory_of($server);
	my @crowd = map { $server->connection } 1 .. 80;
	$_->send("GET / HTTP/1.1\r\nHost: a\r\nX: " . "x" x 40000) for @crowd;
	my $client = $server->connection;
	$client->send(request("/hello"));
	is($client->reply("GET", 20)->{status}, 200,
	    "beside 80 heads of 40 kB a request is answered");
	my $more = memory_of($server) - $before;
	# Unbounded, they would take 80 x 80 KiB.
	cmp_ok($more, "<", 4 * 1024, "which took little memory ($more KiB)")
	    if ($ENV{TINE_SANITIZER} // "no") eq "no";
	my %told;
	$told{$_->reply("GET", 20)->{status}}++ for @crowd;
	is($told{408} // 0, 80, "each is told that it was too slow");

	# Bodies that would fit --body-memory each, but not together.
	my $body = join "", map { chr(($_ * 7 + ($_ >> 8)) & 255) } 1 .. 60000;
	my $hash = sha256_hex($body);
	@crowd = map { $server->connection } 1 .. 100;
	for my $at (0, 20000, 40000) {
		$_->send(($at ? "" : "POST /sha HTTP/1.1\r\nHost: a\r\n" .
		    "Content-Length: 60000\r\n\r\n") .
		    substr($body, $at, 20000)) for @crowd;
	}
	my $good = grep { ($_->reply("POST", 20)->{body} // "") =~
	    /length=60000\nsha256=$hash\n/ } @crowd;
	is($good, 100, "100 bodies of 60 kB come through");

	# Replies that nobody reads for a while.
	@crowd = map { $server->connection } 1 .. 60;
	$_->send(request("/big?bytes=200000")) for @crowd;
	$good = grep { is_pattern($_->reply("GET", 20)->{body}, 200000) }
	    @crowd;
	is($good, 60, "60 replies of 200 kB");
	$server->stop;
} workers => [1];
done_testing;
