# Workers that die, one or all, once or again and again.
use strict;
use warnings;
use Test::More;
use Time::HiRes qw(time sleep);
use Tine::Test;

# Whether there are that many workers, none of them one of those.
sub replaced {
	my ($server, $count, @old) = @_;
	my %old = map { $_ => 1 } @old;
	my @now = $server->workers_of;

	return @now == $count && !grep { $old{$_} } @now;
}

for my $mode (@modes) {
	my $server = start(mode => $mode, workers => 8,
	    quiet => qr/in a handler|worker \d|in a row/);
	my $descriptors = descriptors_of($server->{pid});
	my @before = $server->workers_of;

	is(threads_of($server->{pid}), 1, "$mode: the master has one thread");
	# A worker that has served is no useless one, however young it dies.
	my @clients = map { $server->connection } 1 .. 64;
	$_->send(request("/hello")) for @clients;
	$_->reply for @clients;
	my $held = $server->held;
	is(scalar(grep { ($held->{$_} // 0) == 0 } @before), 0,
	    "each worker has served");
	kill("KILL", @before);
	ok((wait_for { replaced($server, 8, @before) } 5),
	    "eight killed at one moment are replaced");
	is(scalar(grep { $server->err =~ /\(pid $_\) died: signal 9/ }
	    @before), 8, "each death is in the log");
	is($server->ask("/hello")->{status}, 200, "it serves");
	for my $round (1 .. 5) {
		my @now = $server->workers_of;
		$server->ask("/hello") for 1 .. 10;
		kill("KILL", $now[0]);
		wait_for { replaced($server, 8, $now[0]) } 5;
	}
	is(descriptors_of($server->{pid}), $descriptors,
	    "the master's descriptors are as before");
	my $worker = ($server->workers_of)[-1];
	my @control = grep { (readlink($_) // "") =~ /^socket:/ }
	    glob("/proc/$worker/fd/*");
	cmp_ok(scalar @control, "<=", $mode eq "fork" ? 10 : 4,
	    "a worker has the listener, its own control socket, the pair");
	$server->stop;

	# A handler that dies, by each signal and by exit.
	$server = start(mode => $mode, workers => 2,
	    quiet => qr/in a handler|worker \d|child \d|in a row|sent no reply/);
	for my $how ("how=null", "how=stack", "how=abort", "signal=8",
	    "signal=4", "signal=7", "signal=15", "signal=9") {
		my $reply = $server->ask("/crash?$how");

		# Whether its client can be told is another matter.
		like($reply->{status}, qr/^(0|500)$/, "$how: no wrong reply")
		    if $mode ne "fork";
		is($reply->{status}, 500, "$how: 500")
		    if $mode eq "fork" && $how ne "signal=15";
		is($server->ask("/hello", seconds => 5)->{status}, 200,
		    "and the next is served");
	}
	ok($server->log_like(qr{GET /crash\?how=null}), "the log names it");
	$server->stop;
}

# Workers that are of no use are started ever more slowly, but are started,
# one until it has proved itself; then all.
my $server = start(workers => 3, quiet => qr/in a handler|worker \d|in a row/);
my $deaths = 0;
wait_for {
	for my $worker ($server->workers_of) {
		$deaths += kill("KILL", $worker);
		wait_for { !alive($worker) } 1;
	}
	$server->err =~ /started in 0\.50 s/;
} 10;
ok($server->err =~ /5 workers in a row.*started in 0\.25 s/,
    "after the fifth useless death there is a pause");
ok($server->err =~ /6 workers in a row.*started in 0\.50 s/,
    "which grows");
cmp_ok($deaths, "<=", 10, "there were no more starts than that: $deaths");
is($server->ask("/hello", seconds => 10)->{status}, 200,
    "then it serves again");
ok((wait_for { my @now = $server->workers_of; @now == 3 } 3),
    "and when it has served all are there again");
$server->stop;
done_testing;
