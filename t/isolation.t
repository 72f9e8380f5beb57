# What a handler's process has, and has not, of the server: in mode fork a
# child knows nothing of other clients; in every mode what a handler runs is
# its own affair.
use strict;
use warnings;
use Test::More;
use Tine::Test;

each_mode {
	my ($mode, $workers) = @_;
	my $server = start(mode => $mode, workers => $workers);
	my $reply = $server->ask("/command");

	is($reply->{body}, "3\n", "a handler gets its command's exit status");
	$reply = $server->ask("/signals");
	# A thread other than the first leaves signals to the first.
	unlike($reply->{body} // "blocked", qr/^blocked/m,
	    "no signal is blocked in a handler") if $mode ne "thread";
	unlike($reply->{body} // "ignored 17",
	    qr/^(ignored|blocked) (4|6|7|8|9|11)$|^ignored (14|17)$/m,
	    "none of a crash, and neither ALRM nor CHLD is ignored");
	is($server->ask("/count")->{status}, 200, "the next is served");
	$server->stop;
} workers => [0, 2];

SKIP: {
	skip "no mode fork", 1 unless grep { $_ eq "fork" } @modes;
	for my $workers (0, 1) {
		my $server = start(mode => "fork", workers => $workers);
		my @idle = map { my $c = $server->connection;
		    $c->send(request("/hello?secret=$_")); $c } 1 .. 20;

		$_->reply for @idle;
		my $busy = $server->connection;
		$busy->send(request("/sleep?ms=3000"));
		my $held;
		my $serving = $workers ? ($server->workers_of)[0]
		    : $server->{pid};
		ok((wait_for { $held = $server->held;
		    ($held->{$serving} // 0) == 21 } 5),
		    "the worker holds 21 connections");
		is(scalar(grep { $_ != $serving && $held->{$_} }
		    keys %$held), 0, "no other process has one");
		cmp_ok(threads_of($_), "<=", 1 + checker_threads(),
		    "a forker or child has one thread")
		    for grep { $_ != $serving } $server->members;
		$busy->close;
		$server->stop;
	}

	# Its children follow a worker that is killed.
	my $server = start(mode => "fork", workers => 1,
	    quiet => qr/child \d+ ended|worker \d+/);
	my $one = $server->connection;
	$one->send(request("/sleep?ms=20000"));
	my ($worker) = $server->workers_of;
	select(undef, undef, undef, 0.3);
	my @before = children($worker);
	cmp_ok(scalar @before, ">=", 2, "a forker and a child");
	kill("KILL", $worker);
	ok((wait_for { !grep { alive($_) } @before } 2),
	    "kill -9 of a worker ends its children");
	ok($one->is_closed, "and its clients' connections");
	is($server->ask("/hello")->{status}, 200, "the next is served");
	$server->stop;
}
done_testing;
