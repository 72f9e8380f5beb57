# How a server starts in odd surroundings, and how each signal ends it.
use strict;
use warnings;
use File::Temp qw(tempdir);
use IO::Socket::INET;
use POSIX;
use Test::More;
use Time::HiRes qw(time sleep);
use Tine::Test;

my $dir = tempdir(CLEANUP => 1);

sub script {
	my ($name, $text) = @_;

	open(my $out, ">", "$dir/$name") or die;
	print $out "#!$^X\n$text";
	close($out);
	chmod(0755, "$dir/$name");
	return "$dir/$name";
}

# A request in hand, for so many milliseconds.
sub held {
	my ($server, $ms) = @_;
	my $client = $server->connection;

	$client->send(request("/sleep?ms=$ms"));
	$client->is_quiet(0.3) or diag("no handler runs");
	return $client;
}

each_mode {
	my ($mode, $workers) = @_;

	# As a service manager does it: every process is told.
	for my $signal ("TERM", "QUIT") {
		my $server = start(mode => $mode, workers => $workers,
		    args => ["--drain-idle=0.3s"]);
		my $client = held($server, 700);
		my $idle = $server->connection;
		$idle->send(request("/hello"));

		kill($signal, -$server->{pid});
		my $reply = $client->reply;
		is($reply->{status}, 200, "$signal to all: a request in hand ends");
		is($reply->{fields}{connection}, "close", "and is the last");
		is($idle->reply->{status}, 200, "what was sent is answered");
		$server->stop($signal);
	}

	# As a terminal does it.
	my $server = start(mode => $mode, workers => $workers);
	my $client = held($server, 30000);
	my $begun = time;
	kill("INT", -$server->{pid});
	is($server->ended(10), 0, "INT to all: status 0");
	cmp_ok(time - $begun, "<", 2.5 * slow(), "at once");
	ok($client->is_closed, "the client is told");
	ok((wait_for { !$server->members } 3), "nobody is left");
	is(scalar(() = slurp($server->{out}) =~ /exiting/g), 1, "one line");
	is(scalar(my @odd = $server->odd_lines), 0, "and no error");
} workers => [0, 2];

for my $mode (@modes) {
	my $server = start(mode => $mode, workers => 2,
	    quiet => qr/in a handler|cut off|worker/);
	my $client = held($server, 30000);
	kill("TERM", $server->{pid});
	ok((wait_for { !$server->connection } 5),
	    "$mode: the port is closed while a request is in hand");
	ok($client->is_quiet(0), "which goes on");
	my $begun = time;
	kill("INT", $server->{pid});
	is($server->ended(10), 0, "INT after TERM ends it");
	cmp_ok(time - $begun, "<", 2.5 * slow(), "in time");

	$server = start(mode => $mode, workers => 2,
	    quiet => qr/in a handler|cut off|worker/);
	$client = held($server, 30000);
	$begun = time;
	kill("INT", $server->{pid});
	sleep 0.1;
	kill("INT", $server->{pid});
	is($server->ended(10), 0, "$mode: INT twice");
	cmp_ok(time - $begun, "<", 0.9 * slow(), "does not wait at all");
	ok((wait_for { !$server->members } 2), "nobody is left");

	# A full queue: all that was taken by the kernel is answered.
	$server = start(mode => $mode, workers => 2);
	my @workers = $server->workers_of;
	kill("STOP", @workers);
	my @clients = map { my $c = $server->connection;
	    $c->send(request("/hello")); $c } 1 .. 50;
	kill("TERM", $server->{pid});
	sleep 0.2;
	kill("CONT", @workers);
	is(scalar(grep { $_->reply->{status} == 200 } @clients), 50,
	    "$mode: 50 that wait to be accepted at TERM are answered");
	$server->stop;

	# The master stands still: its workers serve on.
	$server = start(mode => $mode, workers => 2);
	kill("STOP", $server->{pid});
	is($server->ask("/hello")->{status}, 200,
	    "$mode: served while the master is stopped");
	kill("CONT", $server->{pid});
	kill($_, $server->{pid}) for "WINCH", "PIPE";
	kill($_, $server->workers_of) for qw(INT HUP USR2 TTIN TTOU PIPE);
	is($server->ask("/hello")->{status}, 200, "signals for others");
	is(scalar($server->workers_of), 2, "end no worker");
	$server->stop;
}

# Standard descriptors that are closed are not used for anything else.
my $closed = script("closed", 'my $p = shift; POSIX::close($_) for 0 .. 2; ' .
    'use POSIX; exec($p, @ARGV);');
for my $workers (0, 1) {
	my $path = "$dir/closed.$workers";
	my $pid = fork;
	if ($pid == 0) {
		setpgrp(0, 0);
		exec($closed, program(), "--workers=$workers",
		    "--bind=unix:$path") or POSIX::_exit(127);
	}
	my $reply;
	ok((wait_for {
		my $socket = IO::Socket::UNIX->new(Peer => $path) or return 0;
		my $client = bless { socket => $socket, buffer => "" },
		    "Tine::Client";
		$client->send(request("/hello", close => 1));
		$reply = $client->reply;
		1;
	} 10), "started without standard descriptors");
	is($reply->{body}, "Hello, world!", "the reply alone reaches the client");
	is(join(" ", map { readlink("/proc/$pid/fd/$_") // "none" } 0 .. 2),
	    join(" ", ("/dev/null") x 3), "they are /dev/null");
	kill("TERM", $pid);
	is(waitpid($pid, 0), $pid, "it ends");
	is($?, 0, "with status 0");
}

# What a parent may have done to signals does not hinder it.
my $odd = script("odd", 'use POSIX; $SIG{CHLD} = "IGNORE"; ' .
    '$SIG{INT} = "IGNORE"; ' .
    'my $set = POSIX::SigSet->new(SIGTERM, SIGCHLD, SIGINT, SIGQUIT); ' .
    'sigprocmask(SIG_BLOCK, $set); exec("' . program() . '", @ARGV);');
for my $workers (0, 1, 4) {
	my $server = start(program => $odd, workers => $workers,
	    quiet => qr/in a handler|worker \d/);
	is($server->ask("/command")->{body}, "3\n",
	    "$workers workers: CHLD ignored, TERM blocked by the parent");
	if ($workers) {
		my ($victim) = $server->workers_of;
		kill("KILL", $victim);
		ok($server->log_like(qr/pid $victim\) died: signal 9/),
		    "a death is noticed");
	}
	$server->stop;
}

# An address that becomes free in a moment is waited for.
my $other = IO::Socket::INET->new(LocalAddr => "127.0.0.1", Listen => 1);
my $port = $other->sockport;
my $freer = fork;
if ($freer == 0) {
	sleep 0.8;
	POSIX::_exit(0);
}
close($other);		# the child has the last copy
my $server = start(bind => ["127.0.0.1:$port"]);
is($server->{port}, $port, "a port that is freed after a moment is taken");
waitpid($freer, 0);
$server->stop;

# After a master that was killed the same place can be had at once.
my $path = "$dir/again";
$server = start(workers => 2, bind => ["127.0.0.1:0", "unix:$path"]);
$port = $server->{port};
my $busy = held($server, 30000);
kill("KILL", $server->{pid});
$server->ended(5);
ok(-e $path, "a killed master leaves its socket file");
$server = start(workers => 2, bind => ["127.0.0.1:$port", "unix:$path"]);
is($server->{port}, $port, "the next one has its address");
is($server->connection(unix => $path) ? 1 : 0, 1, "and its socket file");
$server->stop;
ok(!-e $path, "which it removes");
done_testing;
