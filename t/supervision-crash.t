# Supervision, cases 26 to 31: a crash costs one request.  Its client is told
# 500, every other connection lives on in a sibling, and the log says what it
# was.
use strict;
use warnings;
use Test::More;
use Time::HiRes qw(time sleep);
use Tine::Test;

my $noise = qr/worker \d|child \d|in a handler|runs no handler|in a row|sent no reply/;

# Idle connections have little time at a stop, since there are many stops.
sub wreck {
	my %o = (args => [], @_);
	# A thread that has ended points to nothing that it had.
	my %env = is_traced() ? (ASAN_OPTIONS =>
	    "$ENV{ASAN_OPTIONS}:detect_leaks=0") : ();

	return start(program => build("t/wreck"), workers => 2,
	    quiet => $noise, env => \%env, %o, args => ["--drain-idle=0.1", @{$o{args}}]);
}

# How many of them are answered, each with the status that is wanted.
sub told {
	my ($status, @clients) = @_;

	return scalar(grep { $_->reply("GET", 10)->{status} == $status }
	    @clients);
}

# --- 26: many good requests, some crashes among them

# One client's part of the load, in a process of its own: rounds over its
# connections, a crash every so often.
sub crash_load {
	my ($server, $keep, $once, $rounds, $every) = @_;
	my @clients = map { $server->connection } 1 .. $keep;
	my %count = (good => 0, bad => 0, told => 0, untold => 0);

	for my $round (1 .. $rounds) {
		my @new = map { $server->connection } 1 .. $once;
		my $crash = $round % $every ? undef : $server->connection;

		$_->send(request("/hello")) for @clients;
		$crash->send(request("/crash?how=null")) if $crash;
		$_->send(request("/hello", close => 1)) for @new;
		$count{$_->reply("GET", 20)->{status} == 200 ? "good" : "bad"}++
		    for @clients, @new;
		$count{$crash->reply("GET", 20)->{status} == 500 ? "told"
		    : "untold"}++ if $crash;
	}
	return \%count;
}

sub crash_loads {
	my ($server, $processes, @how) = @_;
	my (%sum, @pipes);

	for (1 .. $processes) {
		my $pid = open(my $pipe, "-|") // die "fork: $!";

		if ($pid == 0) {
			my $count = crash_load($server, @how);
			print "$_ $count->{$_}\n" for keys %$count;
			close(STDOUT);
			POSIX::_exit(0);
		}
		push @pipes, $pipe;
	}
	for my $pipe (@pipes) {
		/(\w+) (\d+)/ and $sum{$1} += $2 while <$pipe>;
		close($pipe);
	}
	return \%sum;
}

# 64 connections that stay and 16 that come anew in each round.
subtest "26. 200 crashes among 20,000 requests: every good one answered, each crashing client 500" => sub {
	my $rounds = 250;
	my $crashes = 200;

	for my $mode (@modes) {
		my $server = wreck(mode => $mode, workers => 4);
		my $sum = crash_loads($server, 4, 16, 4, $rounds,
		    $rounds * 4 / $crashes);

		is($sum->{good}, $rounds * 80, "$mode: $sum->{good} good " .
		    "requests are answered");
		is($sum->{bad}, 0, "no good connection is cut");
		is($sum->{told}, $crashes, "$crashes crashing clients get 500");
		unlike($server->err, qr/in a row/, "no back-off is logged");
		$server->stop;
	}
};

subtest "26. the same with one worker, whose successor takes the connections" => sub {
	for my $mode (@modes) {
		my $server = wreck(mode => $mode, workers => 1);
		my $sum = crash_loads($server, 1, 64, 4, 12, 4);

		is($sum->{bad}, 0, "$mode: none of $sum->{good} is lost");
		is($sum->{told}, 3, "each crashing client gets 500");
		$server->stop;
	}
};

# --- 28: what the client of the crash sees, and what the log says

# AddressSanitizer ends a process at once that writes past a block.
my @heap = is_traced() ? () : "how=heap";
my @ways = ("how=null", "how=stack", "how=abort", @heap, "how=smash",
    "how=jump", "how=exit", "how=quick_exit", "how=pthread_exit",
    "how=pthread_exit-first",
    "signal=8", "signal=4", "signal=7");
# Its longjmp(3) ends a process that comes to it with a broken buffer.
@ways = grep { $_ ne "how=jump" } @ways
    if ($ENV{TINE_SANITIZER} // "no") eq "thread";

subtest "28. SEGV before the reply: 500; stack overflow: 500; every other way to die" => sub {
	for my $mode (@modes) {
		my $server = wreck(mode => $mode);
		my @idle = ask_all($server, 30, "/hello");
		is(told(200, @idle), 30, "$mode: idle connections");
		for my $how (@ways) {
			my $reply = $server->ask("/crash?$how");
			is($reply->{status}, 500, "$mode, $how: 500");
			like($reply->{fields}{connection}, qr/close/,
			    "and the end");
			$server->ask("/hello");
		}
		my $head = $server->connection;
		$head->send(request("/crash?how=null", method => "HEAD"));
		is($head->reply("HEAD")->{status}, 500, "HEAD: 500");
		ok($head->is_closed, "without a body");
		$_->send(request("/hello")) for @idle;
		is(told(200, @idle), 30, "they live on");
		$server->stop;
	}
};

subtest "28. SEGV after part of the reply: the client sees it, no second status line" => sub {
	for my $mode (@modes) {
		my $server = wreck(mode => $mode);

		for my $query ("length&bytes=5000&flush", "bytes=5000&flush",
		    "length&bytes=3000000", "bytes=3000000") {
			my $url = "http://127.0.0.1:$server->{port}" .
			    "/crash-after?$query&how=null";
			my ($status, $text) = run_command("curl", "-s", "-S",
			    "-i", "--max-time", "10", $url);
			my $lines = () = $text =~ m{^HTTP/1}mg;

			# Before anything went out it is told, after it is cut.
			ok($lines == 1 && ($status != 0 || $text =~
			    m{^HTTP/1.1 500 }), "$mode, $query: curl says " .
			    "$status") or diag(substr($text, 0, 200));
			$server->ask("/hello");
		}
		$server->stop;
	}
};

subtest "28. the log has signal, address, request, backtrace with the handler's name" => sub {
	for my $mode (@modes) {
		my $server = wreck(mode => $mode);

		$server->ask("/crash?how=null");
		ok($server->log_like(qr/signal 11 \(SIGSEGV\) at address \S+ in a handler/),
		    "$mode: signal, address");
		ok($server->log_like(qr/client 127\.0\.0\.1, request "GET \/crash\?how=null/),
		    "client, request");
		ok($server->log_like(qr/^  #\d+ write_to_null\b/m),
		    "the function that crashed");
		ok($server->log_like(qr/^  #\d+ crash\b/m), "the handler");
		ok($server->log_like(qr/worker \d+ \(pid \d+\) died: signal 11 \(Segmentation fault.*lived \d+ ms and served \d+ requests/),
		    "the master's word") if $mode ne "fork";
		$server->stop;
	}

	my $server = start(quiet => $noise, workers => 2);
	$server->ask("/crash?how=null");
	ok($server->log_like(qr{"GET /crash\?how=null HTTP/1\.1" 500 }),
	    "the request's line in the request log");
	$server->stop;
};

subtest "28. a hook that crashes costs one request too" => sub {
	for my $mode (@modes) {
		my $server = wreck(mode => $mode);
		my @idle = ask_all($server, 20, "/hello");

		told(200, @idle);
		for my $path ("/in-setup", "/in-finish", "/in-log") {
			is($server->ask("$path?how=null")->{status}, 500,
			    "$mode, $path: 500");
			$server->ask("/hello");
		}
		my $client = $server->connection;
		$client->send("POST /in-expect HTTP/1.1\r\nHost: a\r\n" .
		    "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n");
		is($client->reply->{status}, 500, "/in-expect: 500");
		$client = $server->connection;
		$client->send("POST /crash?how=null HTTP/1.1\r\nHost: a\r\n" .
		    "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n");
		is($client->reply->{status}, 100, "asked for its body: 100");
		$client->send("hello");
		is($client->reply->{status}, 500, "and then a crash: 500");
		is($server->ask("/hello")->{status}, 200, "the next is served");
		is($server->ask("/in-cleanup")->{status}, 200,
		    "a crash when the reply is out takes nothing back");
		$server->ask("/hello");
		$_->send(request("/hello")) for @idle;
		is(told(200, @idle), 20, "idle connections live on");
		$server->stop;
	}
};

# --- 29: other threads

if (grep { $_ eq "thread" } @modes) {
	subtest "29. one thread crashes while 7 others need 0.5 s: those 7 get their replies" => sub {
		my $server = wreck(mode => "thread", workers => 1);
		my @others = ask_all($server, 7, "/sleep?ms=500");
		$others[0]->is_quiet(0.2);
		is($server->ask("/crash?how=null")->{status}, 500, "one crashes");
		is(told(200, @others), 7, "seven others end");
		$server->stop;
	};

	subtest "29. those that do not end in --crash-grace are told 500" => sub {
		my $server = wreck(mode => "thread", workers => 1,
		    args => ["--crash-grace=0.5"]);
		my @others = ask_all($server, 5, "/sleep?ms=20000");
		$others[0]->is_quiet(0.2);
		my $begun = time;
		is($server->ask("/crash?how=null")->{status}, 500, "one crashes");
		is(told(500, @others), 5, "five others are told");
		cmp_ok(time - $begun, "<", 2 * slow(), "in time");
		$server->stop;
	};

	subtest "29a. two threads crash at once" => sub {
		my $server = wreck(mode => "thread", workers => 1);
		for my $how ("null", "abort", "exit", "stack") {
			my @both = ask_all($server, 4, "/crash?how=$how");
			is(told(500, @both), 4, "$how: each gets 500");
			$server->ask("/hello");
		}
		$server->stop;
	};
}

# --- 29a: what else the worker had in hand

sub body_begun {
	my ($server, $head, $part) = @_;
	my $client = $server->connection;

	$client->send("POST /body HTTP/1.1\r\nHost: a\r\n$head\r\n$part");
	return $client;
}

subtest "29a. a crash in a worker with 1,000 idle connections, half-read heads and half-sent replies: none is lost" => sub {
	for my $mode (@modes) {
		my $patience = 20 * slow();
		my $server = wreck(mode => $mode, nofile => 4096,
		    args => ["--body-memory=20000", "--reply-memory=64K",
		    "--header-timeout=$patience",
		    "--body-timeout=$patience"]);
		my @idle = ask_all($server, 1000, "/hello");
		is(told(200, @idle), 1000, "$mode: 1000 connections");
		my @half = map { my $c = $server->connection;
		    $c->send("GET /hello HTTP/1.1\r\nHo"); $c } 1 .. 20;
		my @body = map { body_begun($server,
		    "Content-Length: 10\r\n", "12345") } 1 .. 20;
		my @spooled = map { body_begun($server,
		    "Content-Length: 50005\r\n", "x" x 50000) } 1 .. 20;
		my @chunked = map { body_begun($server,
		    "Transfer-Encoding: chunked\r\n", "5\r\n123") } 1 .. 20;
		my @slow = ask_all($server, 10, "/big?bytes=3000000");
		my @ended = map { my $c = $server->connection;
		    $c->send(request("/hello", close => 1)); $c } 1 .. 5;
		sleep 0.3;
		for my $how ("how=null", "how=exit", @heap) {
			is($server->ask("/crash?$how")->{status}, 500,
			    "$how: 500");
			is($server->ask("/hello")->{status}, 200, "served");
		}
		$_->send(request("/hello")) for @idle;
		is(told(200, @idle), 1000, "idle connections live on");
		$_->send("st: a\r\n\r\n") for @half;
		is(told(200, @half), 20, "half of a head is kept");
		$_->send("67890") for @body, @spooled;
		is(scalar(grep { ($_->reply("POST")->{body} // "") eq "10" }
		    @body), 20, "half of a body is kept");
		is(scalar(grep { ($_->reply("POST")->{body} // "") eq "50005" }
		    @spooled), 20, "one that is spooled, too");
		$_->send("45\r\n0\r\n\r\n") for @chunked;
		is(scalar(grep { ($_->reply("POST")->{body} // "") eq "5" }
		    @chunked), 20, "a part of a chunk is kept");
		is(scalar(grep { length($_->reply("GET", 20)->{body} // "") ==
		    3000000 } @slow), 10, "replies are sent to the end");
		is(told(200, @ended), 5, "those that were done are whole");
		$server->stop;
	}
};

subtest "29a. a handler crashes after the loop was taken from it" => sub {
	for my $mode (modes_in_worker()) {
		my $server = wreck(mode => $mode, workers => 1);
		my @idle = ask_all($server, 50, "/hello");

		told(200, @idle);
		my $client = $server->connection;
		$client->send(request("/late?ms=300&how=null"));
		ok($client->is_quiet(0.1), "$mode: the handler runs");
		my @waiting = ask_all($server, 10, "/hello");
		is($client->reply->{status}, 500, "it crashes: 500");
		is(told(200, @waiting), 10, "requests that waited");
		$_->send(request("/hello")) for @idle;
		is(told(200, @idle), 50, "idle connections live on");
		$server->stop;
	}
};

# Its client has sent more than was read: a reset must not overtake the 500.
subtest "28. a crash while the body is read as it comes: 500, and others go on" => sub {
	my $streamed = build("t/streamed");

	for my $mode (@modes) {
		my $server = wreck(mode => $mode, program => $streamed,
		    args => ["--keep-alive=30"]);
		my $begin = sub {
			my ($path, $length, $part) = @_;
			my $client = $server->connection;

			$client->send("POST $path HTTP/1.1\r\nHost: a\r\n" .
			    "Content-Length: $length\r\n\r\n" . $part);
			return $client;
		};
		my @idle = map { $begin->("/early", 0, "") } 1 .. 10;
		is(told(200, @idle), 10, "$mode: idle connections");
		my @heads = map { my $c = $server->connection;
		    $c->send("POST /early HTTP/1.1\r\nHo"); $c } 1 .. 10;

		# In mode fork a child is given what is whole.
		my $length = $mode eq "fork" ? 100000 : 1000000;
		for my $sent ($mode eq "fork" ? $length : (2000, 100000)) {
			my $client = $begin->("/crash", $length, "x" x $sent);
			is($client->reply->{status}, 500,
			    "$sent bytes were sent: 500");
			ok($client->is_closed, "and the end");
		}
		$_->send("st: a\r\nContent-Length: 0\r\n\r\n") for @heads;
		is(told(200, @heads), 10, "halves of heads are kept");
		$_->send("POST /early HTTP/1.1\r\nHost: a\r\n" .
		    "Content-Length: 0\r\n\r\n") for @idle;
		is(told(200, @idle), 10, "idle connections live on");
		$server->stop;
	}
};

# By a signal from outside, since in mode fork no handler runs in a worker.
subtest "29a. a worker crashes while it sends replies that are spooled" => sub {
	for my $mode (@modes) {
		my $server = wreck(mode => $mode,
		    args => ["--reply-memory=64K"]);
		my @slow = ask_all($server, 10, "/big?bytes=8000000");
		my @idle = ask_all($server, 20, "/hello");

		is(told(200, @idle), 20, "$mode: idle connections");
		# A handler that still writes would be what crashed.
		sleep 0.3;
		ok((wait_for { !grep { slurp("/proc/$_/cmdline") =~ /busy/ }
		    $server->workers_of } 10), "handlers have ended");
		for my $worker ($server->workers_of) {
			kill("SEGV", $worker);
			ok((wait_for { !alive($worker) } 5), "it dies");
			ok($server->log_like(qr/\(pid $worker\) died: signal 11/),
			    "of that signal");
		}
		is(scalar(grep { length($_->reply("GET", 20)->{body} // "") ==
		    8000000 } @slow), 10, "replies are sent to the end");
		is($server->still_answered(@idle), 20, "and the idle live on");
		$server->stop;
	}
};

# One sibling is stopped, and the successor is not ready yet.
subtest "29a. a crash while nobody takes what is handed over: it waits in the queue, and what has no room there is counted" => sub {
	plan skip_all => "no t/target" unless -x program();
	for my $mode (@modes) {
		my $init = File::Temp::tempdir(CLEANUP => 1) . "/init";
		spew($init, "");
		my $server = start(mode => $mode, workers => 2,
		    nofile => 4096, args => ["--drain-idle=0.1"],
		    env => { TARGET_INIT => $init }, quiet => $noise);
		my @idle = $server->idle_clients(2000);
		my ($victim, $sibling) = $server->workers_of;

		is(scalar(@idle), 2000, "$mode: 2000 connections");
		spew($init, "sleep 4000");
		kill("STOP", $sibling);
		kill("SEGV", $victim);
		ok((wait_for { !alive($victim) } 5), "it dies in time");
		ok($server->log_like(qr/\(pid $victim\) died: signal 11/),
		    "of that signal");
		$server->log_like(qr/could not hand/, 1);
		my ($cut) = $server->err =~ /could not hand (\d+) connections/;
		kill("CONT", $sibling);
		my $alive = $server->still_answered(@idle);
		is($alive, 2000 - ($cut // 0), "as many are lost as it said, " .
		    "$alive live on");
		$server->stop;
	}
};

# --- 30: the crash path itself

sub replaced {
	my ($server, $count, @old) = @_;
	my %old = map { $_ => 1 } @old;
	my @now = $server->workers_of;

	return @now == $count && !grep { $old{$_} } @now;
}

subtest "30. crash inside the crash path: it still dies of a signal within 2 s and is replaced" => sub {
	for my $mode (modes_in_worker()) {
		# A checker ends a process as soon as it uses what is wrecked.
		my @tries = map { { how => $_, server =>
		    wreck(mode => $mode, workers => 1) } }
		    is_traced() ? () : ("request", "request-blocked", "heap"),
		    "smash", "blocked", "thread";

		for my $try (@tries) {
			my $server = $try->{server};

			$try->{before} = ($server->workers_of)[0];
			$try->{idle} = [ask_all($server, 20, "/hello")];
			told(200, @{$try->{idle}});
			$try->{client} = $server->connection;
			$try->{client}->send(request("/crash?how=$try->{how}"));
		}
		my $begun = time;
		for my $try (@tries) {
			my ($server, $how) = @$try{qw(server how)};
			# A thread of the handler's own: the handler has its grace.
			my $most = $how eq "thread" ? 4 : 2;
			my $left = $begun + $most * slow() - time;

			ok((wait_for { replaced($server, 1, $try->{before}) }
			    $left / slow()), "$mode, $how: replaced in time");
			ok($server->log_like(qr/\(pid $try->{before}\) died: signal \d+/),
			    "it died of a signal");
			$_->send(request("/hello")) for @{$try->{idle}};
			is(told(200, @{$try->{idle}}), 20,
			    "idle connections live on") if $how ne "blocked";
			$server->stop;
		}
	}
};

# --- 31

subtest "31. a core file is written with --core, also with --user" => sub {
	my $pattern = slurp("/proc/sys/kernel/core_pattern");

	chomp $pattern;
	plan skip_all => "core files go to $pattern" if $pattern =~ m{[/|]};
	plan skip_all => "a sanitizer's process has no core"
	    if ($ENV{TINE_SANITIZER} // "no") ne "no";
	my $is_root = $> == 0;
	for my $try (map { my $mode = $_; map { [$mode, $_] }
	    $is_root ? ("", "nobody") : "" } @modes) {
		my ($mode, $user) = @$try;
		my $dir = File::Temp::tempdir(CLEANUP => 1);

		chmod(0777, $dir);
		my $server = wreck(mode => $mode, args => ["--core",
		    "--chdir=$dir", $user ? "--user=$user" : ()]);
		is($server->ask("/crash?how=null")->{status}, 500,
		    "$mode, " . ($user || "as started") . ": 500");
		ok($server->log_like($mode eq "fork"
		    ? qr/child \d+ ended with signal 11 \(.*, core dumped\)/
		    : qr/died: signal 11.*core dumped/), "the log says so");
		ok((wait_for { grep { -s } glob("$dir/core*") } 5),
		    "there is a core file");
		$server->stop;
	}
};
done_testing;
