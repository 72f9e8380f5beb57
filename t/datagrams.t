# Datagrams: by UDP and Unix sockets, one handler each.
use strict;
use warnings;
use File::Temp qw(tempdir);
use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use Socket qw(SOCK_DGRAM SOCK_STREAM sockaddr_in inet_aton);
use Test::More;
use Time::HiRes qw(time sleep);
use Tine::Test;

my $program = build("t/datagrams");

sub serve {
	my ($mode, $workers, %o) = @_;
	return start(program => $program, mode => $mode, workers => $workers,
	    %o);
}

# A socket that is connected, so that a reply from elsewhere is not seen.
sub sender {
	my ($server, %o) = @_;
	return IO::Socket::INET->new(Proto => "udp", PeerAddr => "127.0.0.1",
	    PeerPort => $server->{port}, %o);
}

# The next datagram, or undef.
sub reply {
	my ($socket, $seconds) = @_;

	IO::Select->new($socket)->can_read(($seconds // 10) * slow())
	    or return undef;
	defined $socket->recv(my $text, 300000) or return undef;
	return $text;
}

sub ask {
	my ($server, $text, $seconds) = @_;
	my $socket = sender($server);

	$socket->send($text);
	return reply($socket, $seconds);
}

each_mode {
	my ($mode, $workers) = @_;
	my $server = serve($mode, $workers,
	    quiet => qr/in a handler|child \d+ ended|worker \d/);
	my $socket = sender($server);

	like(($server->{addresses} // [""])->[0], qr/^udp:127\.0\.0\.1:\d+$/,
	    "the banner says udp:");
	is(ask($server, "echo one"), "one, ready", "setup, handle, finish");
	$socket->send("client");
	is(reply($socket), "127.0.0.1 " . $socket->sockport,
	    "client_address, client_port");
	is(ask($server, "x" x 8192), "8192 bytes", "a packet of 8192");
	is(ask($server, "x" x 9000), "8192 bytes", "of 9000: cut, as Python does");
	is(ask($server, ""), "0 bytes", "an empty one");
	is(ask($server, "empty"), "", "an empty reply is sent when it is written");
	$socket->send("nothing");
	$socket->send("echo after");
	is(reply($socket), "after, ready", "and none when nothing is");
	is(length(ask($server, "much 60000") // ""), 60000, "a long reply");
	is(ask($server, "nul $_"), "0" x ($_ - 1) . "7\0.",
	    "$_ bytes and a NUL") for 20, 600;
	is(ask($server, "much 70000", 0.3 / slow()), undef, "one that is too long");
	ok($server->log_like(qr/WARNING the reply to client 127\.0\.0\.1, port \d+, is lost: Message too long/),
	    "is lost, and the log says so");
	is(ask($server, "much 140000", 0.3 / slow()), undef, "far too long");
	ok($server->log_like(qr/much: EMSGSIZE/), "the handler is told");
	my $other = sender($server, LocalAddr => "127.0.0.2");
	$other->send("echo a");
	is(reply($other, 0.3 / slow()), undef, "verify_request: dropped");
	like(ask($server, "turns"), qr/^[01]$/, "turns");

	my @sockets = map { sender($server) } 1 .. 40;
	$sockets[$_]->send("echo $_") for 0 .. 39;
	is(scalar(grep { (reply($sockets[$_]) // "") eq "$_, ready" } 0 .. 39),
	    40, "40 at once");

	if ($workers > 0 || $mode eq "fork") {
		$socket->send("crash");
		ok($server->log_like(qr/(signal 11 .*"datagram of 5 bytes")|(SIGSEGV.*in a handler)/),
		    "a crash: the log has it");
		ok((wait_for { (ask($server, "echo on", 0.5) // "") eq
		    "on, ready" } 10), "and costs that datagram");
		$socket->send("late crash");
		is(reply($socket, 0.3 / slow()), undef, "nothing is sent of its reply");
		ok((wait_for { (ask($server, "echo on", 0.5) // "") eq
		    "on, ready" } 10), "all is well");
		unlike($server->err, qr/"datagram of \d+ bytes" \d/,
		    "no line in the request log");
	}
	$socket->send("sleep 300");
	sleep 0.1;
	kill("TERM", $server->{pid});
	is(reply($socket), "slept", "a stop lets a handler end");
	$server->stop;
};

# While a worker is busy, what comes waits in the socket for a free one, and
# nothing spins.
for my $mode (@modes) {
	my $server = serve($mode, 2, args => ["--max-threads=1",
	    "--max-children=1"]);
	my $slow = sender($server);

	is(ask($server, "echo warm"), "warm, ready", "$mode: ready");
	$slow->send("sleep 1500");
	sleep 0.2;
	my $begun = time;
	is(scalar(grep { defined ask($server, "echo $_") } 1 .. 20), 20,
	    "20 others go to who is free");
	cmp_ok(time - $begun, "<", 1.2 * slow(), "at once") if slow() == 1;
	is(reply($slow), "slept", "the slow one ends");
	my @busy = map { sender($server) } 1 .. 2;
	my %before = map { $_ => cpu_of($_) } $server->members;
	$_->send("sleep " . 1000 * slow()) for @busy;
	sleep 0.2;
	my $late = sender($server);
	$late->send("echo late");
	is(reply($late, 0.4 / slow()), undef, "all are busy: it waits");
	is(reply($_), "slept", "they end") for @busy;
	is(reply($late), "late, ready", "and it is served");
	my $spent = 0;
	$spent += cpu_of($_) - ($before{$_} // 0)
	    for grep { alive($_) } $server->members;
	cmp_ok($spent, "<", 0.3 * slow(), "without spinning");
	$server->stop;
}

# A worker of its own: datagrams wait, none is lost, and it goes on.
for my $mode (@modes) {
	my $server = serve($mode, 1);
	my @sockets = map { sender($server) } 1 .. 12;

	$_->send("sleep 20") for @sockets;
	is(scalar(grep { (reply($_) // "") eq "slept" } @sockets), 12,
	    "$mode: one worker serves them all");
	$server->stop;
}

# handle_request(), setup, max_packet_size.
for my $mode (@modes) {
	my $server = start(program => $program, bare => 1,
	    env => { HANDLE => 2, MODE => $mode });
	is(ask($server, "turns"), "0",
	    "$mode: handle_request, without service_actions");
	is(ask($server, "echo b"), "b, ready", "the second");
	is($server->ended(10), 0, "it ends");
	like(slurp($server->{out}), qr/handle_timeout\nlast 0\n/,
	    "handle_timeout when nobody comes");

	$server = serve($mode, 0, env => { REFUSE => 1, PACKET => 5 });
	is(ask($server, "echo a", 0.3), undef, "setup refuses");
	ok((wait_for { slurp($server->{out}) =~ /^handle_error setup refused the datagram \(client 127\.0\.0\.1, port \d+\)$/m }),
	    "and handle_error is told");
	$server->stop;

	$server = serve($mode, 0, env => { PACKET => 5 });
	is(ask($server, "12345678"), "5 bytes", "max_packet_size");
	$server->stop;
	$server = serve($mode, 0);
	my $ends = sender($server);
	$ends->send("shutdown");
	is($server->ended(10), 0, "shutdown by a handler ends serve_forever");
}

# Reload, and a handler that hangs.
for my $mode (@modes) {
	my $server = serve($mode, 2, args => ["--timeout=1"],
	    quiet => qr/stuck|in a handler|child \d+ ended|worker \d/);

	ok($server->tell("HUP", qr/reload/i), "$mode: a reload");
	is(scalar(grep { defined ask($server, "echo $_") } 1 .. 5), 5,
	    "served after it");
	sender($server)->send("hang");
	ok($server->log_like(qr/(is stuck|killed for its --timeout).*datagram of 4 bytes/, 15),
	    "--timeout");
	ok((wait_for { (ask($server, "echo on", 0.5) // "") eq "on, ready" } 10),
	    "all is well");
	$server->stop;
}

# A reply for which --memory has no room is not lost in silence.
for my $mode (@modes) {
	my $server = serve($mode, 1, args => ["--memory=10K"],
	    quiet => qr/cannot keep|child \d+ ended/);

	sender($server)->send("much 60000");
	ok($server->log_like(qr/much: ENOMEM|cannot keep the reply to client 127\.0\.0\.1, request "datagram of 10 bytes": Cannot allocate memory/),
	    "$mode: no memory for a reply: the log says so");
	is(ask($server, "echo on"), "on, ready", "and it goes on");
	$server->stop;
}

# Every address: the reply comes from the one that was written to.
for my $bind (":0", "udp:0.0.0.0:0") {
	my $server = serve("single", 0, bind => [$bind]);
	my $socket = sender($server, PeerAddr => "127.0.0.7");

	$socket->send("echo there");
	is(reply($socket), "there, ready", "$bind: from 127.0.0.7");
	$server->stop;
}

my $dir = tempdir(CLEANUP => 1);

# Locked in.
each_mode {
	my ($mode, $workers) = @_;
	my $server = serve($mode, $workers, args => ["--sandbox",
	    "--spool-dir=$dir"], quiet => qr/in a handler|child \d+ ended|worker \d/,
	    bind => ["127.0.0.1:0", "unixgram:$dir/locked"]);

	is(ask($server, "passwd"), "EACCES", "files are not to be had")
	    unless $server->err =~ /has no Landlock/;
	like(ask($server, "fork"), qr/^E(PERM|ACCES)$/, "nor processes")
	    unless $server->err =~ /system calls are not restricted/;
	is(length(ask($server, "much 60000") // ""), 60000, "a long reply");
	my $socket = IO::Socket::UNIX->new(Type => SOCK_DGRAM,
	    Local => "$dir/client", Peer => "$dir/locked");
	$socket->send("client");
	is(reply($socket), "unix:$> $$", "by a Unix socket, too");
	unlink("$dir/client");
	if ($workers > 0) {
		ok($server->tell("HUP", qr/reloaded/), "a reload");
		sender($server)->send("crash");
		ok((wait_for { (ask($server, "echo on", 0.5) // "") eq
		    "on, ready" } 10), "and a crash are survived");
	}
	$server->stop;
} workers => [0, 2];

# An upgrade under load: each datagram has its answer.
for my $mode (@modes) {
	my $server = start(program => variant(binary("t/datagrams"),
	    "$dir/upgraded-$mode", "first"), mode => $mode, workers => 2,
	    env => { LD_LIBRARY_PATH => build(".libs") });
	my %answers;

	is(ask($server, "word"), "Hello, first!", "$mode: the first program");
	variant(binary("t/datagrams"), $server->{program}, "other");
	kill("USR2", $server->{pid});
	wait_for {
		$answers{ask($server, "word") // "none"}++ for 1 .. 5;
		$server->err =~ /reloaded: 2 workers/;
	} 20;
	is(join(" ", grep { !/^Hello, (first|other)!$/ } keys %answers), "",
	    "nothing is lost");
	is(ask($server, "word"), "Hello, other!", "the other");
	$server->stop;
}

# Unix sockets and modules.
for my $mode (@modes) {
	my $server = start(program => build("bin/tine"), mode => $mode,
	    workers => 2, bind => ["127.0.0.1:0", "unixgram:$dir/s"],
	    args => ["--poller=poll", build("t/datagrams.so")]);
	my $socket = IO::Socket::UNIX->new(Type => SOCK_DGRAM,
	    Local => "$dir/client", Peer => "$dir/s");

	$socket->send("client");
	is(reply($socket), "unix:$> $$", "$mode: a module, a Unix socket");
	$socket->send("x" x 9000);
	is(reply($socket), "8192 bytes", "a long one");
	my $unbound = IO::Socket::UNIX->new(Type => SOCK_DGRAM,
	    Peer => "$dir/s");
	$unbound->send("echo nobody");
	$socket->send("echo on");
	is(reply($socket), "on, ready", "one without an address has no reply");
	is(ask($server, "echo udp"), "udp, ready", "and UDP");
	unlike($server->err, qr/lost/, "which is no error");
	$server->stop;
	ok(!-e "$dir/s", "the socket's file is removed");
	unlink("$dir/client");
}

# A socket that was passed; a second server on the port; wrong addresses.
my $passed = IO::Socket::INET->new(Proto => "udp", LocalAddr => "127.0.0.1");
my $server = start(program => $program, bind => [], workers => 1,
    before => sub { pass_sockets($passed) });
$server->{port} = $passed->sockport;
is(ask($server, "echo passed"), "passed, ready", "LISTEN_FDS");
my ($status, $text) = run_command($program, "--workers=0",
    "--bind=127.0.0.1:" . $passed->sockport);
is($status, 69, "a port that another server has");
$server->stop;
for my $case (["unix:$dir/x", $program, []],
    ["tcp:127.0.0.1:0", $program, []],
    ["udp:127.0.0.1:0", build("bin/tine"), [build("t/streams.so")]],
    ["unixgram:$dir/x", build("bin/tine"), [build("t/target.so")]]) {
	my ($bind, $command, $args) = @$case;

	($status, $text) = run_command($command, "--test", "--bind=$bind",
	    @$args);
	is($status, 64, "$bind is refused");
	like($text, qr/--bind=\Q$bind\E: this server .*datagrams/,
	    "with a sentence");
}

# The example.
for my $example (build("examples/udp_upper"), build("bin/tine")) {
	my $server = start(program => $example, workers => 0,
	    args => $example =~ /tine$/ ? [build("examples/udp_upper.so")] : []);
	is(ask($server, "hello world"), "HELLO WORLD", "the example");
	ok($server->log_like(qr/INFO hello world \(client 127\.0\.0\.1, port \d+\)/),
	    "and what it says");
	$server->stop;
}
done_testing;
