# Reload: what is read anew, in which order workers are replaced, and what is
# left as it was when something is wrong.
use strict;
use warnings;
use File::Temp qw(tempdir);
use IO::Socket::INET;
use Test::More;
use Time::HiRes qw(time sleep);
use Tine::Test;

my $dir = tempdir(CLEANUP => 1);
my $noise = qr/worker \d|reload failed|in a row|worker_init/;

# A server of a module of its own; what it greets is told by the word.
sub module_server {
	my ($name, %o) = @_;
	my $module = variant(build("t/target.so"), "$dir/$name.so", "first");
	my $server = start(program => build("bin/tine"), quiet => $noise, %o,
	    args => [@{$o{args} // []}, $module]);

	$server->{module} = $module;
	return $server;
}

sub load_word {
	my ($server, $word) = @_;
	return variant(build("t/target.so"), $server->{module}, $word);
}

sub word {
	my $server = shift;
	return ($server->ask("/hello")->{body} // "") =~ /Hello, (\w+)!/
	    ? $1 : "nothing";
}

# A port that nobody has just now.
sub free_port {
	my $socket = IO::Socket::INET->new(LocalAddr => "127.0.0.1",
	    Listen => 1) or die;
	return $socket->sockport;
}

# At another port than the server's own.
sub at_port {
	my ($server, $port) = @_;
	return bless { %$server, port => $port, stopped => 1 }, ref $server;
}

# The processes that wait for clients: a listening socket is in their epoll.
# The master must not change anything while we look at one after the other.
sub accepting {
	my $server = shift;
	kill("STOP", $server->{pid});
	wait_for { slurp("/proc/$server->{pid}/stat") =~ /\) T / };
	my @found = look_for_accepting($server);
	kill("CONT", $server->{pid});
	return @found;
}

sub look_for_accepting {
	my $server = shift;
	my ($inode) = map { my @c = split ' ';
	    ($c[3] // "") eq "0A" && $c[1] =~ /:([0-9A-F]{4})$/ &&
	    hex($1) == $server->{port} ? $c[9] : () }
	    split /\n/, slurp("/proc/net/tcp");

	return grep {
		my $pid = $_;
		my @fds = glob("/proc/$pid/fd/*");
		my ($listener) = map { (readlink($_) // "") eq
		    "socket:[$inode]" && m{(\d+)$} ? $1 : () } @fds;

		defined $listener && grep {
			(readlink($_) // "") eq "anon_inode:[eventpoll]" &&
			    m{(\d+)$} && slurp("/proc/$pid/fdinfo/$1") =~
			    /^tfd:\s+$listener /m
		} @fds;
	} $server->workers_of;
}

for my $mode (@modes) {
	subtest "57. 10 reloads under load: no failure, every old worker " .
	    "gone, the new module's reply ($mode)" => sub {
		my $server = module_server("ten-$mode", mode => $mode,
		    workers => 4);
		my @idle = $server->idle_clients(50);
		my @before = $server->workers_of;
		my $reloads = 0;
		my ($good, $bad) = under_load($server, sub {
			for my $i (0 .. 9) {
				load_word($server, "load$i");
				$reloads++ if $server->tell("HUP",
				    qr/reloaded: 4 workers/);
			}
		});
		is($reloads, 10, "ten reloads");
		is($bad, 0, "of $good requests none fails");
		is(word($server), "load9", "the last module answers");
		ok((wait_for { $server->workers_of == 4 } 5), "four workers");
		my %now = map { $_ => 1 } $server->workers_of;
		ok(!(grep { $now{$_} } @before), "none of the old");
		is($server->still_answered(@idle), 50,
		    "idle connections have outlived them");
		$server->stop;
	};
}

subtest "58. what is wrong is said, and nothing changes; then a worker is " .
    "killed: its replacement answers as before" => sub {
	my $manager = notify_socket();
	my $config = "$dir/wrong.conf";
	my $init = "$dir/wrong-init";
	my $good = "keep-alive = 60\n";
	spew($config, $good);
	spew($init, "");
	my $server = module_server("wrong", workers => 2,
	    env => { NOTIFY_SOCKET => $manager->{path},
	    TARGET_INIT => $init },
	    args => ["--config=$config", "--start-timeout=" . 3 * slow() .
	    "s"]);

	my $stays = sub {
		my ($what, $pattern) = @_;
		my @before = $server->workers_of;

		$manager->clear;
		ok($server->tell("HUP", qr/reload failed: .*$pattern/), $what);
		my $status = $manager->wait_like(qr/reload failed/);
		like($status // "", qr/READY=1\nSTATUS=.*$pattern/,
		    "STATUS too");
		is(word($server), "first", "the old ones serve");
		ok((wait_for { "@before" eq join(" ", $server->workers_of) }),
		    "and are the same");
		spew($init, "");
		for my $victim (@before) {
			kill("KILL", $victim);
			ok((wait_for { my @now = $server->workers_of;
			    @now == 2 && !grep { $_ == $victim } @now } 10),
			    "a new one comes");
		}
		is(word($server), "first", "and answers as before");
	};
	spew($config, "$good\nno-such-option = 3\n");
	$stays->("config error", qr/wrong\.conf:3: .*no-such-option/);
	unlink($config);
	$stays->("no config", qr/wrong\.conf: No such file/);
	spew($config, $good);
	unlink($server->{module});
	$stays->("no module", qr/wrong\.so/);
	spew($server->{module}, "no module\n");
	$stays->("unloadable module", qr/first new worker/);
	like($server->err, qr/cannot load the module/, "and why");
	load_word($server, "other");
	spew($init, "crash");
	$stays->("crashing worker_init", qr/first new worker/);
	spew($init, "fail");
	$stays->("failing worker_init", qr/first new worker/);
	spew($init, "sleep 60000");
	$stays->("hanging worker_init", qr/first new worker/);
	ok($server->tell("HUP", qr/reloaded: 2/), "all good: reloaded");
	is(word($server), "other", "the new module");
	$server->stop;
};

for my $mode (@modes) {
	subtest "59. HUP x20 in a row: at most two reloads; never more than " .
	    "2 generations; requests in hand do not pile up ($mode)" => sub {
		my $init = "$dir/init-59-$mode";
		spew($init, "");
		my $server = start(mode => $mode, workers => 2,
		    env => { TARGET_INIT => $init });
		my $reloads = sub { scalar(() = $server->err =~ /reloaded: /g) };
		# The first is under way for as long as the others are sent.
		spew($init, "sleep " . 500 * slow());
		kill("HUP", $server->{pid});
		ok((wait_for { $server->workers_of == 3 }), "the first");
		kill("HUP", $server->{pid}) for 2 .. 20;
		spew($init, "");
		ok((wait_for { $reloads->() >= 2 &&
		    $server->workers_of == 2 }), "reloaded");
		# One that still had to come would be done before this one.
		$server->tell("HUP", qr/reloaded: /);
		is($reloads->(), 3, "the 20 were two reloads");

		my $most = 0;
		my @held;
		for my $i (1 .. 20) {
			if ($i % 4 == 0) {
				my $client = $server->connection;
				$client->send(request("/sleep?ms=1500"));
				push @held, $client;
			}
			kill("HUP", $server->{pid});
			my $end = time + 0.1;
			while (time < $end) {
				my @now = $server->workers_of;
				$most = @now if @now > $most;
				sleep 0.01;
			}
		}
		is(scalar(grep { $_->reply->{status} == 200 } @held),
		    scalar @held, "what is in hand is answered");
		cmp_ok($most, "<=", 4, "two generations at most");
		ok((wait_for { $server->workers_of == 2 } 5), "two are left");
		$server->stop;
	};
}

subtest "60. every reload keeps at least N ready workers; at most " .
    "N + max(1, N/4) that accept" => sub {
	my $init = "$dir/init-60";
	for my $n (2, 8) {
		spew($init, "");
		my $server = start(workers => $n,
		    env => { TARGET_INIT => $init });
		my ($least, $most) = ($n, $n);
		wait_for { accepting($server) == $n } 5;
		spew($init, "sleep 60");
		kill("HUP", $server->{pid});
		wait_for {
			my @there = accepting($server);
			$least = @there if @there < $least;
			$most = @there if @there > $most;
			$server->err =~ /reloaded/;
		} 20;
		is($least, $n, "$n workers: never fewer");
		cmp_ok($most, "<=", $n + ($n < 8 ? 1 : $n / 4),
		    "nor many more: $most");
		$server->stop;
	}
};

subtest "61. address changed in the config: new one served before old one " .
    "closed; taken: refused, old kept" => sub {
	my $config = "$dir/address.conf";
	my ($one, $two) = (free_port(), free_port());
	spew($config, "bind 127.0.0.1:$one\n");
	my $server = start(workers => 2, bind => [], quiet => $noise,
	    args => ["--config=$config"]);
	my @idle = $server->idle_clients(10);
	spew($config, "bind 127.0.0.1:$two\n");
	my $gap = 0;
	kill("HUP", $server->{pid});
	wait_for {
		my $old = $server->ask("/hello")->{status};
		$gap++ if $old != 200 &&
		    at_port($server, $two)->ask("/hello")->{status} != 200;
		$old == 0;
	} 10;
	is($gap, 0, "one or the other answers all the time");
	is($server->connection, undef, "the old is closed");
	is(at_port($server, $two)->ask("/hello")->{status}, 200, "the new");
	ok($server->log_like(qr/reloaded/), "reloaded");
	is($server->still_answered(@idle), 10, "idle connections live on");

	my $taken = IO::Socket::INET->new(LocalAddr => "127.0.0.1",
	    Listen => 1);
	spew($config, "bind 127.0.0.1:$two\nbind 127.0.0.1:" .
	    $taken->sockport . "\n");
	ok($server->tell("HUP", qr/reload failed: .*in use/), "taken");
	is(at_port($server, $two)->ask("/hello")->{status}, 200, "kept");
	spew($config, "bind 127.0.0.1:$two\nkeep-alive 3x\n");
	ok($server->tell("HUP", qr/reload failed: .*:2: /), "a wrong line");
	close($taken);
	spew($config, "bind 127.0.0.1:$two\nbind unix:$dir/a.sock\n");
	ok($server->tell("HUP", qr/reloaded/), "one more");
	my $local = $server->connection(unix => "$dir/a.sock");
	$local->send(request("/hello"));
	is($local->reply->{status}, 200, "a Unix socket");
	spew($config, "bind 127.0.0.1:$two\n");
	ok($server->tell("HUP", qr/reloaded/), "one fewer");
	ok(!-e "$dir/a.sock", "and its file is gone");
	$server->{port} = $two;
	$server->stop;
};

for my $mode (@modes) {
	subtest "62. module overwritten in place by cp while serving: no " .
	    "crash before the reload ($mode)" => sub {
		my $server = module_server("cp-$mode", mode => $mode,
		    workers => 2);
		my $size = -s $server->{module};
		open(my $file, "+<", $server->{module}) or die;
		print $file "\0" x $size;
		close($file);
		truncate($server->{module}, 100);
		is(scalar(grep { $server->ask($_)->{status} == 200 }
		    qw(/hello /echo /flush /headers /stdio /count /body)), 7,
		    "all of its pages answer");
		my ($victim) = $server->workers_of;
		kill("KILL", $victim);
		ok((wait_for { !alive($victim) && $server->workers_of == 2 }),
		    "one dies");
		is(word($server), "first", "its successor has it whole");
		unlike($server->err, qr/signal (4|7|11)/, "nobody crashed");
		$server->stop;
	};
}

for my $mode (@modes) {
	subtest "63. an idle keep-alive client of a leaving worker sends " .
	    "after 3 s: it is answered ($mode)" => sub {
		my $server = start(mode => $mode, workers => 2);
		my @idle = $server->idle_clients(20);
		# They keep their workers, which leave but cannot yet.
		my @busy = map { my $c = $server->connection;
		    $c->send(request("/sleep?ms=3500")); $c } 1 .. 4;
		sleep 0.1;
		ok($server->tell("HUP", qr/reloaded/), "reloaded");
		sleep 3;
		is($server->still_answered(@idle), 20, "all are answered");
		is(scalar(grep { $_->reply->{status} == 200 } @busy), 4,
		    "those in hand, too");
		is($server->still_answered(@busy), 4, "and once more");
		$server->stop;
	};
}

subtest "64. reload while a worker is stuck, and TERM during a reload: " .
    "both end in time" => sub {
	for my $mode (@modes) {
		my $server = start(mode => $mode, workers => 2,
		    args => ["--graceful-timeout=1s"],
		    quiet => qr/$noise|cut off|in a handler|child/);
		my $stuck = $server->connection;
		$stuck->send(request("/hang"));
		sleep 0.1;
		my @before = $server->workers_of;
		ok($server->tell("HUP", qr/reloaded: 2/), "$mode: reloaded");
		ok((wait_for { my %now = map { $_ => 1 }
		    $server->workers_of; keys %now == 2 &&
		    !grep { $now{$_} } @before } 4),
		    "the stuck one is gone");
		is($server->ask("/hello")->{status}, 200, "it serves");
		$server->stop;
	}
	my $init = "$dir/init-64";
	my $config = "$dir/conf-64";
	my $port = free_port();
	spew($init, "");
	spew($config, "bind 127.0.0.1:$port\nbind unix:$dir/64.sock\n");
	my $server = start(workers => 4, bind => [],
	    args => ["--config=$config"], env => { TARGET_INIT => $init });
	$server->{port} = $port;
	spew($init, "sleep 60000");
	spew($config, "bind 127.0.0.1:$port\n");
	my $busy = $server->connection;
	$busy->send(request("/sleep?ms=500"));
	sleep 0.1;
	kill("HUP", $server->{pid});
	ok((wait_for { $server->workers_of == 5 }), "the trial is on");
	my $begun = time;
	kill("TERM", $server->{pid});
	is($busy->reply->{status}, 200, "what is in hand is answered");
	is($server->ended(5), 0, "status 0");
	cmp_ok(time - $begun, "<", 3 * slow(), "in time");
	ok(!-e "$dir/64.sock", "no file is left of what was given up");
};

subtest "65. systemd notify messages: order, MONOTONIC_USEC, READY after " .
    "each outcome, nothing from workers" => sub {
	my $manager = notify_socket();
	my $server = module_server("notify", workers => 2,
	    env => { NOTIFY_SOCKET => $manager->{path} });
	my $ready = $manager->wait_like(qr/READY=1/);
	like($ready, qr/^MAINPID=$server->{pid}$/m, "READY with MAINPID");
	like($ready, qr/^STATUS=./m, "and STATUS");
	$manager->clear;
	my $now = int(Time::HiRes::clock_gettime(
	    Time::HiRes::CLOCK_MONOTONIC()) * 1e6);
	ok($server->tell("HUP", qr/reloaded/), "reloaded");
	$manager->wait_like(qr/READY=1/);
	my @got = $manager->messages;
	is(scalar @got, 2, "two messages");
	like($got[0], qr/^RELOADING=1$/m, "RELOADING first");
	my ($usec) = $got[0] =~ /^MONOTONIC_USEC=(\d+)$/m;
	ok($usec && $usec >= $now && $usec < $now + 60e6,
	    "at that time of the monotonic clock");
	like($got[1], qr/^READY=1$/m, "READY then");
	like($got[1], qr/^STATUS=2 workers serve/m, "with the count");
	$manager->clear;
	spew($server->{module}, "broken\n");
	ok($server->tell("HUP", qr/reload failed/), "one that fails");
	$manager->wait_like(qr/READY=1/);
	is(join(" ", map { /^(\w+=1)/ } $manager->messages),
	    "RELOADING=1 READY=1", "both again");
	$manager->clear;
	kill("KILL", ($server->workers_of)[0]);
	$server->ask("/hello");
	wait_for { $server->workers_of == 2 };
	is(scalar $manager->messages, 0, "nothing when a worker dies");
	$server->stop;
	is(($manager->messages)[0] =~ /^STOPPING=1$/m, 1, "STOPPING");
};

for my $mode (@modes) {
	subtest "66. HUP to master and all workers at once: one reload, no " .
	    "failure ($mode)" => sub {
		my $server = start(mode => $mode, workers => 2);
		my ($good, $bad) = under_load($server, sub {
			sleep 0.2;
			kill("HUP", $server->members);
			ok($server->log_like(qr/reloaded/), "reloaded");
			sleep 0.5;
		});
		is($bad, 0, "of $good requests none fails");
		is(scalar(() = $server->err =~ /reloaded: /g), 1, "once");
		$server->stop;
	};
}

for my $mode (@modes) {
	subtest "reload while uploads, slow readers and event streams are in " .
	    "hand ($mode)" => sub {
		my $server = start(mode => $mode, workers => 2,
		    args => ["--max-threads=16", "--max-children=16"]);
		my $body = "x" x 300000;
		my $half = request("/echo", method => "POST", body => $body);
		my @uploads = map { my $c = $server->connection;
		    $c->send(substr($half, 0, 100000)); $c } 1 .. 6;
		my @readers = map { my $c = $server->connection;
		    $c->send(request("/big?bytes=6000000")); $c } 1 .. 4;
		my @streams = map { my $c = $server->connection;
		    $c->send(request("/flush?n=20&ms=100")); $c }
		    1 .. ($mode eq "single" ? 1 : 4);
		sleep 0.2;
		ok($server->tell("HUP", qr/reloaded/), "reloaded") for 1 .. 2;
		$_->send(substr($half, 100000)) for @uploads;
		is(scalar(grep { ($_->reply->{body} // "") =~
		    /length=300000/ } @uploads), 6, "uploads arrive whole");
		is(scalar(grep { is_pattern($_->reply->{body}, 6000000) }
		    @readers), 4, "slow readers get all");
		is(scalar(grep { my $b = $_->reply->{body} // "";
		    $b =~ /line 19/ && 20 == (() = $b =~ /line/g) }
		    @streams), scalar @streams, "streams end as they should");
		$server->stop;
	};
}

subtest "a hand-over queue that is full: 2,000 idle connections live on" =>
    sub {
	for my $mode (@modes) {
		my $server = start(mode => $mode, workers => 2);
		my @idle = $server->idle_clients(2000);
		is(scalar @idle, 2000, "$mode: all connected");
		ok($server->tell("HUP", qr/reloaded/), "reloaded");
		is($server->still_answered(@idle), 2000, "all answered");
		ok($server->tell("HUP", qr/reloaded/), "reloaded again");
		is($server->still_answered(@idle), 2000, "all answered");
		$server->stop;
	}
};

subtest "a reload that changes --workers, --max-threads, the logs; what it " .
    "cannot change is said" => sub {
	my $config = "$dir/size.conf";
	my $init = "$dir/size.init";
	spew($init, "");
	spew($config, "mode thread\nworkers 2\nmax-threads 4\nerror-log $dir/err.0\n" .
	    "log $dir/log.0\n");
	my $server = start(mode => "thread", workers => 2, quiet => $noise,
	    bare => 1, env => { TARGET_INIT => $init }, args => ["--bind=127.0.0.1:0", "--config=$config"]);
	my $try = sub {
		my ($what, $text, $file, $pattern) = @_;
		spew($config, $text =~ /mode/ ? $text : "mode thread\n$text");
		kill("HUP", $server->{pid});
		ok((wait_for { slurp($file) =~ $pattern }), $what) or
		    diag(slurp($file));
	};
	my $logs = "error-log $dir/err.1\nlog $dir/log.1\n";
	$try->("20 workers", "workers 20\nmax-threads 4\n$logs",
	    "$dir/err.1", qr/reloaded: 20 workers/);
	ok((wait_for { $server->workers_of == 20 }), "twenty");
	is($server->ask("/hello")->{status}, 200, "it serves");
	ok((wait_for { slurp("$dir/log.1") =~ m{GET /hello} }),
	    "the new request log is used");
	$try->("3 workers, more threads", "workers 3\nmax-threads 32\n$logs",
	    "$dir/err.1", qr/reloaded: 3 workers/);
	ok((wait_for { $server->workers_of == 3 }), "three");
	my @busy = map { my $c = $server->connection;
	    $c->send(request("/sleep?ms=700")); $c } 1 .. 60;
	my $begun = time;
	is(scalar(grep { $_->reply->{status} == 200 } @busy), 60, "60 wait");
	cmp_ok(time - $begun, "<", 2.5 * slow(), "on as many threads");
	spew($init, "fail");
	$try->("workers that fail, and another log: the old one tells",
	    "workers 3\nmax-threads 32\nerror-log $dir/err.2\nlog none\n",
	    "$dir/err.1", qr/reload failed: the first new worker/);
	spew($init, "");
	$try->("an unknown user", "workers 3\nuser nobody-of-that-name\n" .
	    $logs, "$dir/err.1", qr/reload failed: .*nobody-of-that-name/);
	$try->("another mode", "workers 3\nmode single\n$logs", "$dir/err.1",
	    qr/reload failed: .*--mode/);
	$try->("no master", "workers 0\nmode thread\n$logs", "$dir/err.1",
	    qr/reload failed: .*--workers=0/);
	$try->("another pidfile", "workers 3\npidfile $dir/pid\n$logs",
	    "$dir/err.1", qr/--pidfile.*(restart|later)/);
	$try->("to standard error", "workers 3\nlog none\nerror-log -\n",
	    $server->{err}, qr/reloaded: 3 workers/);
	ok($server->tell("HUP", qr/reloaded: 3 workers/), "once more");
	is($server->ask("/hello")->{status}, 200, "it serves");
	$server->stop;
};

subtest "HUP during crash back-off ends it; TTOU below 1; one worker" => sub {
	my $init = "$dir/init-last";
	spew($init, "");
	my $server = start(workers => 1, env => { TARGET_INIT => $init },
	    quiet => $noise);
	kill("TTOU", $server->{pid}) for 1 .. 3;
	my @idle = $server->idle_clients(10);
	my ($good, $bad) = under_load($server, sub {
		for (1 .. 3) {
			ok($server->tell("HUP", qr/reloaded: 1 workers/),
			    "reloaded");
		}
	});
	is($bad, 0, "of $good requests none fails");
	is($server->still_answered(@idle), 10, "idle ones are answered");
	spew($init, "crash");
	kill("KILL", $server->workers_of);
	ok($server->log_like(qr/started in 2\.00 s/, 15), "a long wait");
	spew($init, "");
	my $begun = time;
	kill("HUP", $server->{pid});
	ok($server->log_like(qr/reloaded: 1/), "HUP");
	cmp_ok(time - $begun, "<", 1.5 * slow(), "ends it");
	is($server->ask("/hello")->{status}, 200, "it serves");
	$server->stop;
};
# What was answered is not in the input that moves; what came behind it is.
for my $mode (@modes) {
	subtest "the request behind a reply that moves is the next ($mode)" => sub {
		my $server = start(program => build("t/wreck"), mode => $mode,
		    workers => 1, quiet => qr/in a handler|worker \d|child \d/);
		for my $how ("a reload", "a crash") {
			my $client = $server->connection;

			$client->send(request("/big?bytes=30000000") .
			    request("/hello"));
			$client->more(time + 10 * slow());
			$how eq "a reload"
			    ? $server->tell("HUP", qr/reloaded: 1/)
			    : $server->ask("/crash?how=null");
			is(length($client->reply("GET", 20)->{body} // ""),
			    30000000, "$how: the reply is whole");
			is($client->reply->{body} // "", "Hello, world!",
			    "and the next");
			$client->send(request("/hello"));
			is($client->reply->{body} // "", "Hello, world!",
			    "and the one after that");
		}
		$server->stop;
	};
}
done_testing;
