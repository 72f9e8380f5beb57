# Connections spread evenly, also when a worker is stopped.
use strict;
use warnings;
use Test::More;
use Tine::Test;

for my $mode (@modes) {
	my $server = start(mode => $mode, workers => 4,
	    args => ["--child-requests=1000000"]);
	my %count;
	my @clients = map { $server->connection } 1 .. 64;

	for my $round (1 .. 5) {
		$_->send(request("/hello")) for @clients;
		$_->reply for @clients;
	}
	my %inodes;
	for my $pid ($server->workers_of) {
		my @sockets = grep { (readlink($_) // "") =~ /^socket:/ }
		    glob("/proc/$pid/fd/*");
		$count{$pid} = @sockets;
	}
	my @sorted = sort { $a <=> $b } values %count;
	# What each has besides: the listener, control, and the forker's.
	my $besides = $mode eq "fork" ? 0 : 2;
	my ($least, $most) = ($sorted[0] - $besides, $sorted[-1] - $besides);
	# A sanitizer makes a worker slower than the others' patience.
	$most = 0 if slow() > 1;
	cmp_ok($most, "<=", 1.5 * ($least > 0 ? $least : 1),
	    "$mode: 64 connections over 4 workers: @sorted");

	my ($stopped) = $server->workers_of;
	kill("STOP", $stopped);
	my @more = map { my $c = $server->connection;
	    $c->send(request("/hello")); $c } 1 .. 64;
	my $good = grep { $_->reply("GET", 5)->{status} == 200 } @more;
	is($good, 64, "one stopped: 64 new ones are answered");
	kill("CONT", $stopped);
	$server->stop;
}
done_testing;
