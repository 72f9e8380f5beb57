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

for my $mode (@modes) {
	my $server = start(mode => $mode, workers => 4,
	    args => ["--child-requests=1000000"]);
	my @clients = map { $server->connection } 1 .. 64;
	my %requests;

	for my $round (1 .. 5) {
		$_->send(request("/pid")) for @clients;
		($_->reply->{body} // "?") =~ /^(\d+)/ && $requests{$1}++
		    for @clients;
	}
	my $held = $server->held;
	my @workers = $server->workers_of;
	my @share = map { $held->{$_} } @workers;
	my ($least, $most) = ends_of(@share);

	is(eval { my $sum = 0; $sum += $_ for @share; $sum }, 64,
	    "$mode: the workers hold 64 connections");
	# A sanitizer makes a worker slower than the others' patience.
	my $ratio = slow() > 1 ? 4 : 1.5;
	cmp_ok($most, "<=", $ratio * $least, "evenly: @share");
	if ($mode ne "fork") {
		($least, $most) = ends_of(map { $requests{$_} // 0 } @workers);
		cmp_ok($most, "<=", $ratio * $least,
		    "so their requests: " . join(" ", values %requests));
	}

	# New connections, while the old ones stay.
	my ($stopped) = @workers;
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
	my @clients = map { $server->connection } 1 .. 400;

	$_->send(request("/hello")) for @clients;
	is(scalar(grep { $_->reply("GET", 20)->{status} == 200 } @clients),
	    400, "$mode: 400 that come at once are answered");
	my $held = $server->held;
	my @share = map { $held->{$_} } $server->workers_of;
	my ($least, $most) = ends_of(@share);
	cmp_ok($most, "<=", (slow() > 1 ? 4 : 1.5) * $least,
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
