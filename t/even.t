# Connections and requests spread evenly over the workers, also when one of
# them is stopped or busy.
use strict;
use warnings;
use Test::More;
use Tine::Test;

# The lowest and the highest of some numbers.
sub ends_of {
	my @sorted = sort { $a <=> $b } @_;
	return ($sorted[0] // 0, $sorted[-1] // 0);
}

# A request's first byte, and the others.
sub halves { return request(shift) =~ /^(.)(.*)$/s }

# Connections that each worker takes its part of, and the number that each
# has, by process.  Their requests are only begun: a first handler, whose
# threads have yet to be made, would keep a worker from accepting, and the
# others would rightly take its part.
sub begun {
	my ($server, $count, $part) = @_;
	my @clients = map { $server->connection } 1 .. $count;
	my @workers = $server->workers_of;
	my $held;

	$_->send($part) for @clients;
	wait_for {
		my $sum = 0;

		$held = $server->held;
		$sum += $held->{$_} for @workers;
		$sum == $count;
	};
	return ($held, @clients);
}

for my $mode (@modes) {
	my $server = start(mode => $mode, workers => 4,
	    args => ["--child-requests=1000000"]);
	my @workers = $server->workers_of;
	my ($part, $rest) = halves("/pid");
	my (@clients, %share, %requests);

	# A worker that the machine leaves without a processor for a moment is
	# behind once, not each time.
	for my $crowd (1 .. 3) {
		(my $held, @clients) = begun($server, 64, $part);

		$share{$_} += $held->{$_} for @workers;
		for my $round (1 .. 5) {
			$_->send($round == 1 ? $rest : request("/pid"))
			    for @clients;
			($_->reply->{body} // "?") =~ /^(\d+)/ &&
			    $requests{$1}++ for @clients;
		}
		last if $crowd == 3;
		$_->close for splice(@clients);
		wait_for { my $held = $server->held;
		    !grep { $held->{$_} } @workers };
	}
	my @shares = @share{@workers};
	my ($least, $most) = ends_of(@shares);

	is(eval { my $sum = 0; $sum += $_ for @shares; $sum }, 3 * 64,
	    "$mode: the workers hold 64 connections, three times");
	cmp_ok($most, "<=", 1.5 * $least, "evenly: @shares");
	if ($mode ne "fork") {
		# In mode single requests may move, from who takes long.
		my @sums = map { $requests{$_} // 0 } @workers;
		($least, $most) = ends_of(@sums);
		cmp_ok($most, "<=", (slow() > 1 ? 2 : 1.5) * $least,
		    "so their requests: @sums");
	}

	# New connections, while the old ones stay.
	my $stopped = $workers[0];
	kill("STOP", $stopped);
	my @more = map { my $c = $server->connection;
	    $c->send(request("/hello")); $c } 1 .. 64;
	my $good = grep { $_->reply("GET", 5)->{status} == 200 } @more;
	is($good, 64, "one stopped: 64 new ones are answered");
	kill("CONT", $stopped);
	$clients[$_]->send(request("/hello")) for 0 .. 63;
	is(scalar(grep { $_->reply->{status} == 200 } @clients), 64,
	    "the old ones too when it goes on");
	$server->stop;
}

# Connections one after the other: no worker is left out for long.
my $server = start(workers => 4);
my %served;
for (1 .. 200) {
	my ($pid) = ($server->ask("/pid")->{body} // "") =~ /^(\d+)/;
	$served{$pid // "none"}++;
}
ok(!$served{none}, "200 connections one after the other are served");
$server->stop;

# A crowd that comes at once is taken at once, by all of them.
for my $mode (@modes) {
	my $server = start(mode => $mode, workers => 4,
	    args => ["--child-requests=1000000"]);
	my ($part, $rest) = halves("/hello");
	my ($held, @clients) = begun($server, 400, $part);
	my @share = map { $held->{$_} } $server->workers_of;
	my ($least, $most) = ends_of(@share);

	$_->send($rest) for @clients;
	is(scalar(grep { $_->reply("GET", 20)->{status} == 200 } @clients),
	    400, "$mode: 400 that come at once are answered");
	cmp_ok($most, "<=", 1.5 * $least,
	    "spread evenly: @share");
	$server->stop;
}

# A worker that is busy is passed over.
$server = start(workers => 2);
my $busy = $server->connection;
$busy->send(request("/sleep?ms=" . 3000 * slow()));
ok($busy->is_quiet(0.3), "one of two workers is busy");
my $good = 0;
for (1 .. 20) {
	$good++ if $server->ask("/hello", seconds => 2)->{status} == 200;
}
cmp_ok($good, ">=", 19, "20 new clients: $good are answered by the other");
is($busy->reply->{status}, 200, "who was busy is too");
$server->stop;
done_testing;
