# The hooks, handle_request() and serve_forever(), as a program uses them.
use strict;
use warnings;
use IO::Socket::INET;
use Test::More;
use Tine::Test;

my $program = build("t/hooks");

each_mode {
	my ($mode, $workers) = @_;
	my $server = start(program => $program, mode => $mode,
	    workers => $workers);
	my $reply = $server->ask("/a");
	my $data = $mode eq "fork" ? "post_fork" : "worker_init";

	like($reply->{body}, qr/^data=$data turns=\d setup=yes\nfinished\n\z/,
	    "setup, the method, finish");
	is($reply->{fields}{server}, "Hooks/1 x", "server_version, sys_version");
	$reply = $server->ask("/refuse");
	is($reply->{status}, 500, "setup refuses: 500");
	is($reply->{body}, "500 Internal Server Error 100% " .
	    "Server got itself in trouble\n", "error_message_format");
	is($reply->{fields}{"content-type"}, "text/plain",
	    "error_content_type");
	ok((wait_for { slurp($server->{out}) =~ m{handle_error /refuse: } } 5),
	    "handle_error was called");
	is($server->ask("/x", method => "POST")->{status}, 501,
	    "a method that is not there");
	my $socket = IO::Socket::INET->new(PeerAddr => "127.0.0.1",
	    PeerPort => $server->{port}, LocalAddr => "127.0.0.2");
	my $client = bless { socket => $socket, buffer => "" },
	    "Tine::Client";
	$client->send(request("/a"));
	ok($client->is_closed, "verify_request: closed without a word");
	my $worker = ($server->workers_of)[0];
	$server->stop;
	my $out = slurp($server->{out});
	my $inits = () = $out =~ /^worker_init$/mg;
	is($inits, $workers || 1, "worker_init in each worker");
	is(scalar(() = $out =~ /^worker_exit$/mg), $workers || 1,
	    "worker_exit too");
	is(scalar(() = $out =~ /^worker_died 1 0$/mg), $workers,
	    "worker_died in the master");
};

my $server;
for my $mode (@modes) {
	$server = start(program => $program,
	    env => { HANDLE => 2, MODE => $mode });
	is($server->ask("/a")->{fields}{connection}, "close",
	    "handle_request, $mode: one request, then close");
	like($server->ask("/b")->{body}, qr/turns=0/,
	    "without service_actions");
	is($server->ended(10), 0, "it ends");
	like(slurp($server->{out}), qr/handle_timeout\nlast 0\n/,
	    "handle_timeout when nobody comes");
	unlike($server->err, qr/setproctitle/, "no word of titles");

	# As in Python a shutdown concerns serve_forever() alone.
	$server = start(program => $program,
	    env => { HANDLE => 2, MODE => $mode, SHUT => 1 });
	like(slurp($server->{out}),
	    qr/^(worker_init\n)?handle_timeout\nalone 0 after [1-9]/,
	    "$mode: a shutdown does not end handle_request");
	is($server->ask("/a")->{status}, 200, "which serves when someone comes");
	is($server->ask("/stop")->{status}, 200, "nor does one by its handler");
	is($server->ended(10), 0, "it ends");
	like(slurp($server->{out}),
	    qr/\nhandle_timeout\nlast 0\n(worker_\w+\n)*forever 0\n\z/,
	    "as does the next serve_forever, at once");

	$server = start(program => $program,
	    env => { SERVE => 1, MODE => $mode });
	is($server->ask("/stop")->{status}, 200,
	    "$mode: shutdown by a handler");
	is($server->ended(10), 0, "ends a serve_forever of the program's own");
	like(slurp($server->{out}), qr/^forever 0$/m, "which returns 0");

	$server = start(program => $program, workers => 2,
	    env => { PREFORK => 1, MODE => $mode });
	is($server->ask("/a")->{status}, 200, "tine_prefork, $mode");
	$server->stop;
	unlike($server->err, qr/setproctitle/, "nor here");
}

for my $mode (@modes) {
	$server = start(program => $program, mode => $mode, workers => 0);
	is($server->ask("/stop")->{status}, 200,
	    "$mode: shutdown by a handler");
	is($server->ended(10), 0, "ends serve_forever");
}

# What is left to stdio is written when a child ends, and once.
SKIP: {
	skip "no mode fork", 3 unless grep { $_ eq "fork" } @modes;
	$server = start(program => $program, mode => "fork", workers => 1,
	    env => { LEAVES => 1 });
	$server->ask("/say") for 1 .. 3;
	ok((wait_for { 3 == (() = slurp($server->{out}) =~ /^said$/mg) } 5),
	    "stdout is flushed at a child's end");
	ok((wait_for { 3 == (() = slurp($server->{out}) =~
	    /^said in a stream of its own$/mg) } 5), "as are other streams");
	$server->stop;
	is(scalar(() = slurp($server->{out}) =~ /^left$/mg), 1,
	    "what worker_init has left is written once");
}

# The same serving by poll(2).
for my $mode (@modes) {
	$server = start(mode => $mode, workers => 1,
	    args => ["--poller=poll"]);
	my @clients = map { $server->connection } 1 .. 50;
	for my $round (1 .. 3) {
		$_->send(request("/sha", body => "x" x 100000)) for @clients;
		is(scalar(grep { ($_->reply->{body} // "") =~ /length=100000/ }
		    @clients), 50, "$mode by poll(2), round $round");
	}
	$clients[0]->send(request("/big?bytes=5000000"));
	is(length($clients[0]->reply->{body} // ""), 5000000, "a long reply");
	$server->stop;
}

# A handler that does not return: its worker is replaced.
$server = start(workers => 2, args => ["--timeout=0.5s"],
    quiet => qr/stuck|in a handler|worker \d/);
my @before = $server->workers_of;
my $stuck = $server->connection;
$stuck->send(request("/hang"));
ok($server->log_like(qr/is stuck: client 127\.0\.0\.1, request "GET \/hang/, 5),
    "--timeout: the log names the request");
ok((wait_for { my @now = $server->workers_of;
    2 == grep { my $p = $_; 1 } @now and
    1 == grep { my $p = $_; !grep { $_ == $p } @before } @now } 5),
    "the worker is replaced");
is($server->ask("/hello")->{status}, 200, "all is well");
$server->stop;
done_testing;
