# Streams: protocols that are not HTTP, whose handler has the conversation.
use strict;
use warnings;
use File::Temp qw(tempdir);
use IO::Socket::INET;
use Test::More;
use Time::HiRes qw(time sleep);
use Tine::Test;

my $program = build("t/streams");

# A server of this program.
sub serve {
	my ($mode, $workers, %o) = @_;
	return start(program => $program, mode => $mode, workers => $workers,
	    %o);
}

# A client that says something; and what is answered in so many lines.
sub say_to {
	my ($server, @lines) = @_;
	my $client = $server->connection or return;

	$client->send(join("", map { "$_\n" } @lines)) if @lines;
	return $client;
}

sub told {
	my ($client, $seconds) = @_;
	my $end = time + ($seconds // 10) * slow();
	my $at;

	while (($at = index($client->{buffer}, "\n")) == -1) {
		$client->more($end) or return undef;
	}
	my $line = substr($client->{buffer}, 0, $at + 1, "");
	chomp $line;
	return $line;
}

sub rest { $_[0]->to_end(time + 10 * slow()) }

# Whether the connection was reset, not closed.
sub is_reset {
	my $client = shift;

	return !defined rest($client) && $client->{trouble} =~ /reset/i;
}

each_mode {
	my ($mode, $workers) = @_;
	my $server = serve($mode, $workers, quiet =>
	    qr/in a handler|child \d+ ended|worker \d|exit\(3\)/);
	my $client = say_to($server, "echo one");

	is(told($client), "one", "a line is answered");
	$client->send("echo t");
	ok($client->is_quiet, "half a line is not");
	$client->send("wo\necho three\n");
	is(join(" ", map { told($client) // "-" } 1 .. 2), "two three",
	    "the rest, and the next line behind it");
	$client->send("tell client\ntell pending\n");
	is(told($client), "127.0.0.1 " . $client->{socket}->sockport,
	    "client_address, client_port");
	is(told($client), "0", "tine_stream_pending");
	$client->send("a" x 500 . "\n");
	is(told($client), "piece 199", "a line that is too long comes in pieces")
	    for 1 .. 2;
	$client->half_close;
	is(rest($client), "finished ready\n", "finish at the end of input");

	# The client's input may be cut anywhere.
	$client = say_to($server);
	for my $byte (split //, "echo abc\necho d\n") {
		$client->send($byte);
		sleep 0.001;
	}
	is(join(" ", map { told($client) // "-" } 1 .. 2), "abc d",
	    "cut at every byte");
	$client->send("bye\nmore than is read\n" x 1000);
	like(rest($client), qr/^finished ready\n\z/,
	    "input that is not read does not cost the reply");

	$client = say_to($server, "nul 20", "nul 600");
	is(told($client), "0" x ($_ - 1) . "7\0.", "$_ bytes and a NUL")
	    for 20, 600;
	$client->close;
	$client = say_to($server, "much 3000000", "bye");
	my $much = rest($client);
	is(length($much // ""), 3000000 + length("finished ready\n"),
	    "a long reply");
	$client = say_to($server, "all");
	ok($client->send("ab" x 500000), "a long input is taken");
	$client->half_close;
	like(rest($client), qr/^length=1000000 sum=97500000 error=none\n/,
	    "all of it");
	$client = say_to($server, "files");
	$client->send("x\ny\n");
	$client->half_close;
	like(rest($client), qr/^name\? hello, x\nhello, y\nfinished/,
	    "rfile and wfile");
	SKIP: {
		skip "no programs in the sandbox", 2 if $ENV{TINE_SANDBOXED};
		$client = say_to($server, "cat");
		sleep 0.2;
		$client->send("through cat\n");
		is(told($client), "through cat",
		    "a program has the client as its standard streams");
		$client->half_close;
		is(rest($client), "cat has ended\nfinished ready\n",
		    "and its end is seen");
	}
	like(join(" ", map { told(say_to($server, $_)) // "-" }
	    "tell turns", "tell nodelay"), qr/^[01] nodelay 0/,
	    "no TCP_NODELAY, as Python has it");
	my $socket = IO::Socket::INET->new(PeerAddr => "127.0.0.1",
	    PeerPort => $server->{port}, LocalAddr => "127.0.0.2");
	$client = bless { socket => $socket, buffer => "" }, "Tine::Client";
	$client->send("echo a\n");
	ok($client->is_closed, "verify_request: closed without a word");

	# Those that say nothing cost nothing.
	my @idle = map { $server->connection } 1 .. 12;
	is(told(say_to($server, "echo through")), "through",
	    "others are answered while twelve say nothing");
	$idle[5]->send("echo late\n");
	is(told($idle[5]), "late", "one of them after all");
	$_->close for @idle;

	# A handler that crashes costs its conversation.
	@idle = map { $server->connection } 1 .. 3;
	sleep 0.1;
	my $crash = say_to($server, "crash");
	ok($crash->is_closed(10), "a crash: closed");
	ok($server->log_like(qr/(signal 11 .* client 127\.0\.0\.1, request "conversation")|(SIGSEGV.*in a handler)/),
	    "the log has the signal");
	if ($workers > 0) {
		ok((wait_for { my $c = say_to($server, "echo again");
		    $c && (told($c) // "") eq "again" } 10), "others go on");
	}
	if ($workers > 1 || $mode eq "fork") {
		$_->send("echo alive\n") for @idle;
		is(join(" ", map { told($_) // "-" } @idle),
		    "alive alive alive", "those that waited live on");
		$_->close for @idle;
		my $reset = say_to($server, "echo begun", "sleep 50", "crash");
		is(told($reset), "begun", "something is sent");
		ok(is_reset($reset), "and a crash shows as a reset");
	}
	if ($workers > 0 || $mode eq "fork") {
		$crash = say_to($server, "exit");
		ok($crash->is_closed(10), "exit(3) is a crash");
	}
	unlike($server->err, qr/"conversation" \d/,
	    "the request log has no line of it");
	if ($workers == 0 && $mode ne "fork") {
		my ($status) = $server->outcome;
		is($status, 128 + 11, "without a master it ends");
	} else {
		$server->stop;
	}
};

# More conversations than handlers: those beyond wait their turn.
for my $mode (@modes) {
	my $server = serve($mode, 1, args => ["--max-threads=2",
	    "--max-children=2"]);
	my @clients = map { say_to($server, "echo in") } 1 .. 6;
	my $in = $mode eq "single" ? 1 : 2;
	ok((wait_for { $in == grep { $_->{buffer} ne "" ||
	    IO::Select->new($_->{socket})->can_read(0) } @clients } 10),
	    "$mode: as many are in hand as may be");
	ok(!(grep { $_->{buffer} ne "" } @clients), "nothing read yet");
	$_->half_close for @clients;
	is(scalar(grep { (rest($_) // "") =~ /^in\nfinished/ } @clients), 6,
	    "the others follow");
	$server->stop;
}

# The relief thread and the other workers go on beside a silent conversation.
for my $mode (@modes) {
	my $server = serve($mode, 2);
	my $talker = say_to($server, "echo held");

	is(told($talker), "held", "$mode: one is held");
	is(scalar(grep { (told(say_to($server, "echo $_")) // "") eq $_ }
	    1 .. 20), 20, "20 others are answered by who is free");
	$talker->send("echo still\n");
	is(told($talker), "still", "and it goes on");
	$talker->close;
	$server->stop;
}

# The class' members.
each_mode {
	my ($mode, $workers) = @_;
	my $server = serve($mode, $workers, env => { FIRST => 1, NODELAY => 1 });
	my $client = $server->connection;

	is(told($client), "ready for 127.0.0.1", "speaks_first");
	$client->send("tell nodelay\nbye\n");
	is(told($client), "nodelay 1", "disable_nagle_algorithm");
	is(rest($client), "finished ready\n", "then its end");
	my @silent = map { $server->connection } 1 .. 2;
	is(told($silent[0]), "ready for 127.0.0.1", "to each at once");
	$_->close for @silent;
	$server->stop;

	$server = serve($mode, $workers, env => { CLASS_TIMEOUT => 300 });
	$client = say_to($server, "echo a");
	is(told($client), "a", "within the timeout");
	$client->send("half");
	is(told($client), "ETIMEDOUT, 4 pending", "timeout: in the middle");
	is(rest($client), "finished ready\n", "and the handler ends");
	ok($server->connection->is_closed, "or before the first byte");
	$server->stop;

	$server = serve($mode, $workers, env => { REFUSE => 1 });
	ok(say_to($server, "echo a")->is_closed, "setup refuses");
	ok((wait_for { slurp($server->{out}) =~ /^handle_error setup refused the connection \(client 127\.0\.0\.1, port \d+\)$/m }),
	    "handle_error has no request, but a client");
	$server->stop;
};

# A client that takes nothing.
for my $mode (@modes) {
	my $server = serve($mode, 1, args => ["--send-timeout=0.5"]);
	my $client = say_to($server, "much 50000000", "bye");

	ok($server->log_like(qr/INFO much: ETIMEDOUT \(client 127/, 15),
	    "$mode: --send-timeout ends a write");
	ok(is_reset($client), "and the connection by a reset");
	$server->stop;
}

# handle_request(), and shutdown by a handler.
for my $mode (@modes) {
	my $server = start(program => $program, bare => 1,
	    env => { HANDLE => 2, MODE => $mode });
	my $client = say_to($server, "tell turns", "bye");
	is(rest($client), "0\nfinished ready\n",
	    "$mode: handle_request, without service_actions");
	$client->close;
	$client = say_to($server, "echo b");
	$client->half_close;
	is(rest($client), "b\nfinished ready\n", "the second");
	$client->close;
	is($server->ended(10), 0, "it ends");
	like(slurp($server->{out}), qr/handle_timeout\nlast 0\n/,
	    "handle_timeout when nobody comes");

	$server = serve($mode, 0);
	$client = say_to($server, "shutdown", "bye");
	is(rest($client), "finished ready\n", "shutdown by a handler");
	$client->close;
	is($server->ended(10), 0, "ends serve_forever");
}

# Reload and stop with conversations in hand.
for my $mode (@modes) {
	for my $workers (1, 4) {
		my $server = serve($mode, $workers);
		my @idle = map { $server->connection } 1 .. 6;
		my $talker = say_to($server, "echo before");

		is(told($talker), "before", "$mode, $workers: in hand");
		ok($server->tell("HUP", qr/reload/i), "a reload");
		is(told(say_to($server, "echo new")), "new",
		    "others are answered");
		$talker->send("echo after\n");
		is(told($talker), "after", "the conversation goes on");
		$_->send("echo moved\nbye\n") for @idle;
		is(scalar(grep { (told($_) // "") eq "moved" } @idle), 6,
		    "those that had said nothing have moved");
		$talker->send("sleep 100\necho end\nbye\n");
		kill("TERM", $server->{pid});
		is(rest($talker), "end\nfinished ready\n",
		    "a stop lets it end");
		$server->stop;
	}
}

# A handler knows of a stop, and of a reload, which a conversation cannot
# outlive in its worker.
each_mode {
	my ($mode, $workers) = @_;

	for my $signal ("TERM", $workers > 0 ? "HUP" : ()) {
		my $server = serve($mode, $workers, env =>
		    { CLASS_TIMEOUT => 20000 * slow() });
		my $client = say_to($server, "tell ending");

		is(told($client), "0", "$signal: nothing ends");
		kill($signal, $server->{pid});
		ok((wait_for { $client->send("tell ending\n");
		    (told($client) // "") eq "1" }), "now it does");
		$client->send("bye\n");
		is(rest($client), "finished ready\n", "and is whole");
		$server->stop;

		$server = serve($mode, $workers, env =>
		    { CLASS_TIMEOUT => 50 });
		$client = say_to($server, "echo in", "wait");
		is(told($client), "in", "one that waits");
		ok($client->is_quiet(0.3), "does it for more than a timeout");
		kill($signal, $server->{pid});
		is(told($client), "farewell", "and says farewell");
		$client->close;
		is(told(say_to($server, "tell ending")), "0",
		    "not so in a new worker") if $signal eq "HUP" &&
		    $server->log_like(qr/reloaded/);
		$server->stop;
	}
};
for my $mode (@modes) {
	my $server = start(program => $program, bare => 1,
	    env => { HANDLE => 1, MODE => $mode });
	my $client = say_to($server, "tell ending", "bye");
	is(told($client), "0", "$mode: handle_request() ends nothing");
	$client->close;
	is($server->ended(10), 0, "it ends");
}

# A handler that hangs, and one that waits for its client, which is no hanging.
for my $mode (@modes) {
	my $server = serve($mode, 2, args => ["--timeout=1"],
	    quiet => qr/stuck|in a handler|child \d+ ended|worker \d/);
	my $client = say_to($server, "echo a");
	my $hangs = say_to($server, "hang");

	is(told($client), "a", "$mode: one waits for its client");
	ok($hangs->is_closed(15), "--timeout ends one that hangs");
	$client->send("echo b\n");
	is(told($client), "b", "and not the one that waits")
	    unless $mode eq "thread";
	$client->close;
	$server->stop;
}

my $dir = tempdir(CLEANUP => 1);

# Locked in, with all that a conversation has.
each_mode {
	my ($mode, $workers) = @_;
	my $server = serve($mode, $workers, args => ["--sandbox",
	    "--spool-dir=$dir"], bind => ["127.0.0.1:0", "unix:$dir/locked"],
	    quiet => qr/in a handler|child \d+ ended|worker \d/);
	my $client = say_to($server, "tell passwd", "tell fork", "files");

	is(told($client), "EACCES", "files are not to be had")
	    unless $server->err =~ /has no Landlock/;
	like(told($client), qr/^E(PERM|ACCES)$/, "nor processes")
	    unless $server->err =~ /system calls are not restricted/;
	$client->send("x\n");
	$client->half_close;
	like(rest($client), qr/name\? hello, x\nfinished ready\n\z/,
	    "and it is a conversation");
	my $local = $server->connection(unix => "$dir/locked");
	$local->send("tell client\nmuch 300000\nbye\n");
	is(told($local), "unix:$> $$", "by a Unix socket, too");
	is(length(rest($local) // ""), 300000 + length("finished ready\n"),
	    "a long reply");
	if ($workers > 0) {
		my @idle = map { $server->connection } 1 .. 4;

		$server->tell("HUP", qr/reloaded/);
		$_->send("echo moved\nbye\n") for @idle;
		is(scalar(grep { (told($_) // "") eq "moved" } @idle), 4,
		    "connections move");
		$_->close for @idle;
		ok(say_to($server, "crash")->is_closed(10), "a crash");
		ok((wait_for { my $c = say_to($server, "echo again");
		    $c && (told($c) // "") eq "again" } 10), "is survived");
	}
	$server->stop;
} workers => [0, 2];

# An upgrade: who has said nothing is the new program's.
for my $mode (@modes) {
	my $server = start(program => variant(binary("t/streams"),
	    "$dir/upgraded-$mode", "first"), mode => $mode, workers => 2,
	    env => { LD_LIBRARY_PATH => build(".libs") });
	my @idle = map { $server->connection } 1 .. 6;
	my $talker = say_to($server, "tell word");

	is(told($talker), "Hello, first!", "$mode: the first program");
	variant(binary("t/streams"), $server->{program}, "other");
	ok($server->tell("USR2", qr/reloaded: 2 workers/), "upgraded");
	is(told(say_to($server, "tell word")), "Hello, other!", "the other");
	$_->send("tell word\nbye\n") for @idle;
	is(scalar(grep { (told($_) // "") eq "Hello, other!" } @idle), 6,
	    "has those that had not spoken");
	$talker->send("tell word\ntell ending\nbye\n");
	is(rest($talker), "Hello, first!\n1\nfinished ready\n",
	    "who had goes on with the first");
	$server->stop;
}

# Unix sockets, poll(2), and modules.
for my $mode (@modes) {
	my $server = start(program => build("bin/tine"), mode => $mode,
	    workers => 2, bind => ["127.0.0.1:0", "unix:$dir/s"],
	    args => ["--poller=poll", build("t/streams.so")]);
	my $client = $server->connection(unix => "$dir/s");

	$client->send("tell client\n");
	is(told($client), "unix:$> $$", "$mode: a module, a Unix socket");
	is(told(say_to($server, "echo tcp")), "tcp", "and TCP");
	unlike(slurp($server->{out}), qr/http/, "no word of HTTP");
	ok($server->tell("HUP", qr/reload/i), "a reload");
	is(told(say_to($server, "echo again")), "again", "serves again");
	$client->close;
	$server->stop;
	ok(!-e "$dir/s", "the socket's file is removed");
}
my ($status, $text) = run_command(build("bin/tine"), "--auth-file=/dev/null",
    build("t/streams.so"));
is($status, 64, "an option of HTTP for another protocol");
like($text, qr/^tine: --auth-file is for HTTP, which the module .*streams\.so does not speak$/m,
    "is refused with a sentence");
($status, $text) = run_command($program, "--max-body=1M");
is($status, 64, "by a program, too");
like($text, qr/: --max-body is for HTTP, which this server does not speak$/m,
    "and says so");

# The example.
for my $example (build("examples/tcp_upper"), build("bin/tine")) {
	my $server = start(program => $example, workers => 0,
	    args => $example =~ /tine$/ ? [build("examples/tcp_upper.so")] : []);
	my $client = say_to($server, "hello world");
	is(told($client), "HELLO WORLD", "the example: " . ($example =~ /tine$/
	    ? "a module" : "a program"));
	$client->close;
	$server->stop;
}
done_testing;
