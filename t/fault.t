# Calls of the system fail, one place after the other: no crash, no hang, no
# descriptor kept, no other client hurt, and the server answers afterwards.
# What fails at the start is told, with a status of sysexits(3).
#
# Each run takes some places by chance; TINE_FAULTS=all takes all of them
# (make check-faults), TINE_FAULTS=N so many of each kind.
use strict;
use warnings;
use List::Util qw(shuffle);
use POSIX ();
use Test::More;
use Time::HiRes qw(time sleep);
use File::Temp;
use Tine::Test;

plan skip_all => "a sanitizer has its own malloc"
    if ($ENV{TINE_SANITIZER} // "no") ne "no";
plan skip_all => "no t/fault/fault.so" unless -e build("t/fault/fault.so");

my $most = $ENV{TINE_FAULTS} // 12;
my $seed = $ENV{TINE_SEED} // time;
srand($seed);

# --- the shared file; see t/fault/fault.c

use constant { NONE => 0, LEARN => 1, FAIL => 2, PLACE => 128, HEAD => 64 };
my $shared = File::Temp->new;
my ($tried, $hit) = (0, 0);

sub put {
	my ($at, $bytes) = @_;

	sysseek($shared, $at, 0);
	syswrite($shared, $bytes) == length $bytes or die "cannot write: $!";
}

sub get {
	my ($at, $length) = @_;
	my $bytes;

	sysseek($shared, $at, 0);
	sysread($shared, $bytes, $length);
	return $bytes;
}

sub reset_faults { put(0, "\0" x (HEAD + PLACE * 2000)) }
sub calm { put(0, pack("L", NONE)) }
sub failed { return unpack("L", get(32, 4)) }

# whose: process => PID or parent => PID; how: variant, passes, fails.
sub arm {
	my ($place, $whose, %how) = @_;

	put(4, pack("llLQLLL", $whose->{process} // 0, $whose->{parent} // 0,
	    $how{variant} // 0, $place // 0, $how{passes} // 0,
	    $how{fails} // 1, 0));
	put(0, pack("L", defined $place ? FAIL : LEARN));
}

# The places that the library itself called from, by where and how often.
sub places {
	my $count = unpack("L", get(36, 4));
	my %seen;

	for my $i (0 .. ($count > 2000 ? 2000 : $count) - 1) {
		my ($id, $calls, undef, @rest) = unpack("QLLQ4Z16(Z16)4",
		    get(HEAD + $i * PLACE, PLACE));
		my @offsets = @rest[0 .. 3];
		my ($function, @objects) = @rest[4 .. 8];
		my ($first) = grep { !/^(libc|libbsd|ld-linux|libmd)/ }
		    grep { $_ ne "" } @objects;

		next unless $id && ($first // "") =~ /^(libtine|target|lt-)/;
		# What the program does as it is loaded and left is gcov's.
		my @named = grep { $_ ne "" } @objects;
		next if $named[-1] =~ /^ld-linux/ &&
		    !grep { !/^(target|lt-)/ } @named[0 .. $#named - 1];
		$seen{$id} = { id => $id, calls => $calls,
		    name => "$function from " . join(" < ", map {
			sprintf("%s+0x%x", $objects[$_], $offsets[$_])
		    } grep { $objects[$_] ne "" } 0 .. 3) };
	}
	return map { $seen{$_} } sort { $seen{$a}{name} cmp $seen{$b}{name} }
	    keys %seen;
}

sub some {
	my @all = @_;

	return @all if $most eq "all";
	@all = shuffle(@all);
	return @all[0 .. ($#all < $most ? $#all : $most - 1)];
}

# --- the load: each part is true if its client was served as it should be

my $long = "x" x 9000;
my $chunks = "5\r\nhello\r\n400\r\n" . "y" x 1024 . "\r\n0\r\n\r\n";
my @load = (
	[hello => sub { is_hello($_[0]->ask("/hello")) }],
	[again => sub { keep_alive($_[0], 3) }],
	[post => sub { is_echo($_[0]->ask("/", method => "POST",
	    body => "abc"), 3) }],
	[spooled => sub { is_echo($_[0]->ask("/", method => "POST",
	    body => $long), 9000) }],
	[chunked => sub { is_echo(reply_of($_[0], request("/",
	    method => "POST", close => 1,
	    fields => ["Transfer-Encoding: chunked"]) . $chunks, "POST"),
	    1029) }],
	[mapped => sub { my $r = $_[0]->ask("/body", method => "POST",
	    body => $long); $r->{status} == 200 && $r->{body} eq
	    "9000 1\n" }],
	[stdio => sub { my $r = $_[0]->ask("/stdio", method => "POST",
	    body => "word"); $r->{status} == 200 &&
	    $r->{body} =~ /^word=word\n/ }],
	[big => sub { is_pattern($_[0]->ask("/big?bytes=300000")->{body},
	    300000) }],
	[nolength => sub { is_pattern($_[0]->ask(
	    "/nolength?bytes=100000")->{body}, 100000) }],
	[file => sub { is_pattern($_[0]->ask(
	    "/sendfile?bytes=100000")->{body}, 100000) }],
	[flush => sub { ($_[0]->ask("/flush?n=2&ms=0")->{body} // "") eq
	    "line 0\nline 1\n" }],
	[error => sub { $_[0]->ask("/error?code=404&tag")->{status} == 404 }],
	[bad => sub { reply_of($_[0], "GET /\r\n\r\n")->{status} == 400 }],
	[large => sub { reply_of($_[0], request("/", method => "POST",
	    fields => ["Content-Length: 99999999"]))->{status} == 413 }],
	[fields => sub { is_hello($_[0]->ask("/hello",
	    fields => [map { "X-$_: " . "z" x 200 } 1 .. 40])) }],
	[pipeline => sub { pipeline($_[0]) }],
	[gone => sub { my $c = $_[0]->connection or return 0;
	    $c->send("GET / HT"); 1 }],
);

sub is_hello { return $_[0]{status} == 200 && $_[0]{body} eq
    "Hello, world!" }
sub is_echo { return $_[0]{status} == 200 &&
    ($_[0]{body} // "") =~ /^length=$_[1]$/m }

sub keep_alive {
	my ($server, $times) = @_;
	my $client = $server->connection or return 0;

	for (1 .. $times) {
		$client->send(request("/hello"));
		return 0 unless is_hello($client->reply("GET", 3));
	}
	return 1;
}

sub pipeline {
	my $client = $_[0]->connection or return 0;

	$client->send(request("/hello") x 3);
	for (1 .. 3) {
		return 0 unless is_hello($client->reply("GET", 3));
	}
	return 1;
}

sub run_load {
	my $server = shift;
	my @hurt;

	for my $part (@load) {
		my ($name, $ask) = @$part;

		push @hurt, $name unless eval { $ask->($server) };
	}
	return @hurt;
}

# --- a server whose calls fail while it serves

sub start_faulty {
	my ($mode, %o) = @_;
	return start(mode => $mode, program => program_itself(),
	    quiet => qr/./, env => {
		LD_PRELOAD => build("t/fault/fault.so"),
		TINE_FAULT => $shared->filename,
		LD_LIBRARY_PATH => build(".libs"),
	    }, args => ["--body-memory=1K", "--reply-memory=16K",
	    "--max-body=1M", "--body-timeout=2", "--header-timeout=2",
	    "--send-timeout=2", "--spare-children=1", "--max-children=8",
	    @{$o{args} // []}],
	    workers => $o{workers} // 1);
}

# Whose calls are to fail, by the part that a process plays.
sub whose {
	my ($server, $part) = @_;
	my ($worker) = $server->workers_of;
	my ($below) = $worker ? children($worker) : ();

	return { process => $server->{pid} } if $part eq "master";
	return { process => $worker } if $part eq "worker";
	return { process => $below } if $part eq "forker";
	return { parent => $below };
}

sub is_steady {
	my ($server, $before) = @_;

	# Children come and go with their sockets.
	return 1 if $server->{mode} eq "fork";
	return wait_for { descriptors_of($server->{watched}) == $before } 3;
}

# One fault while the load runs; returns what is wrong.
sub try_place {
	my ($server, $part, $place, %how) = @_;
	my @before = sort { $a <=> $b } $server->workers_of;
	my $descriptors = descriptors_of($server->{watched});
	my $idle = $server->connection;

	$idle->send(request("/hello"));
	return "no answer before" unless is_hello($idle->reply("GET", 5));
	arm($place->{id}, whose($server, $part), %how);
	my @hurt = run_load($server);
	calm();
	my $count = failed();
	my @wrong;
	push @wrong, "hurt: @hurt" if @hurt > $count;
	$idle->send(request("/hello", close => 1));
	push @wrong, "another client was hurt"
	    unless is_hello($idle->reply("GET", 5));
	push @wrong, "no answer afterwards" unless wait_for {
	    is_hello($server->ask("/hello")) } 5;
	push @wrong, "another worker: @before" unless "@before" eq
	    join(" ", sort { $a <=> $b } $server->workers_of);
	push @wrong, "descriptors: $descriptors before, " .
	    descriptors_of($server->{watched}) unless
	    @wrong || is_steady($server, $descriptors);
	return join("; ", @wrong);
}

# In which ways a place fails.
sub ways {
	my ($part, $place) = @_;
	my @all = ({}, { fails => 3 },
	    { passes => int($place->{calls} / 4) });

	# A reset between a worker and its forker is no fault, but a death.
	push @all, { variant => 1 } unless $place->{name} =~ /^recv / &&
	    ($part eq "forker" || $part eq "start");
	return $most eq "all" ? @all : $all[rand @all];
}

# Tries places; what was wrong with them, a line each.
sub try_places {
	my ($part, $try, @places) = @_;
	my @bad;

	for my $place (some(@places)) {
		for my $way (ways($part, $place)) {
			my $wrong = $try->($place, %$way);

			$tried++;
			$hit += failed() > 0;
			next if $wrong eq "";
			push @bad, "$place->{name} (" . join(" ", %$way) .
			    "): $wrong";
			last;
		}
	}
	return join("\n", @bad);
}

sub deaths {
	my $log = shift;

	# A child whose reply cannot be kept is killed by its worker.
	return join("\n", grep { /signal \d|crashed|died/ &&
	    !/child \d+ ended with signal 9 / } split /\n/, $log);
}

sub sweep {
	my ($mode, $part, %o) = @_;

	reset_faults();
	my $server = start_faulty($mode, %o);
	$server->{watched} = $o{workers} // 1 ? ($server->workers_of)[0]
	    : $server->{pid};
	run_load($server);
	arm(undef, whose($server, $part));
	my @hurt = run_load($server);
	run_load($server);
	calm();
	is("@hurt", "", "the load is served ($mode, $part)");
	my $descriptors = descriptors_of($server->{watched});
	my @places = places();
	cmp_ok(scalar @places, ">", 5, scalar(@places) . " places");
	is(try_places($part, sub { try_place($server, $part, @_) }, @places),
	    "", "$mode, $part: seed $seed");
	is(deaths($server->err), "", "nobody died");
	# Two for each of the children that are kept for later.
	ok(wait_for { descriptors_of($server->{watched}) <=
	    $descriptors + 16 },
	    "no descriptors add up") or diag("$descriptors before: ",
	    join(" ", map { readlink } glob("/proc/$server->{watched}/fd/*")));
	$server->stop;
}

# --- the master, and what administrators do

sub reload {
	my $server = shift;
	my %old = map { $_ => 1 } $server->workers_of;

	kill("HUP", $server->{pid});
	return wait_for {
		my @now = $server->workers_of;

		@now == 2 && !grep { $old{$_} } @now;
	} 4;
}

sub replace {
	my $server = shift;
	my ($worker) = $server->workers_of;

	kill("KILL", $worker) if $worker;
	return wait_for {
		my @now = $server->workers_of;

		@now == 2 && !grep { $_ == $worker } @now;
	} 4;
}

sub administrate {
	my $server = shift;

	return reload($server) + (kill("USR1", $server->{pid}), 0)[1] +
	    replace($server);
}

sub try_master {
	my ($server, $place, %how) = @_;
	my $descriptors = descriptors_of($server->{pid});

	arm($place->{id}, { process => $server->{pid} }, %how);
	administrate($server);
	calm();
	return "the master is gone" unless alive($server->{pid});
	return "no answer afterwards" unless wait_for {
	    is_hello($server->ask("/hello")) } 5;
	return "no reload afterwards" unless reload($server);
	return "descriptors: $descriptors before, " .
	    descriptors_of($server->{pid}) unless wait_for {
	    descriptors_of($server->{pid}) == $descriptors } 3;
	return "";
}

sub sweep_master {
	my $dir = File::Temp::tempdir(CLEANUP => 1);

	reset_faults();
	my $server = start_faulty("single", workers => 2, args => [
	    "--log=$dir/requests", "--error-log=$dir/errors",
	    "--pidfile=$dir/pid", "--graceful-timeout=1",
	    "--drain-idle=50ms"]);
	arm(undef, { process => $server->{pid} });
	ok(administrate($server) == 2, "a reload, a death");
	calm();
	is(try_places("master", sub { try_master($server, @_) }, places()),
	    "", "master: seed $seed");
	$server->stop;
}

# --- the start, and the end

sub run_once {
	my ($mode, $workers, $dir, $calls) = @_;
	my $out = "$dir/out";
	my $pid = fork // die "fork: $!";

	if ($pid == 0) {
		setpgrp(0, 0);
		open(STDOUT, ">", $out);
		open(STDERR, ">", "$dir/err");
		$ENV{LD_PRELOAD} = build("t/fault/fault.so");
		$ENV{LD_LIBRARY_PATH} = build(".libs");
		$ENV{TINE_FAULT} = $shared->filename;
		exec(program_itself(), "--mode=$mode", "--workers=$workers",
		    "--bind=127.0.0.1:0", "--bind=unix:$dir/socket",
		    "--pidfile=$dir/pid", "--log=$dir/requests",
		    "--error-log=$dir/errors", "--drain-idle=0.01",
		    "--graceful-timeout=2", "--start-timeout=2");
	}
	my ($status, $answered);
	my $is_over = sub { defined $status || waitpid($pid,
	    POSIX::WNOHANG()) == $pid && defined($status = $?) };

	wait_for { $is_over->() || slurp($out) =~ /^Listening.*\n.*unix:/m } 8;
	if (!defined $status) {
		$answered = wait_for { $is_over->() ||
		    answers_at("$dir/socket") } 8;
		kill("TERM", $pid);
		wait_for { $is_over->() } 8;
	}
	my $hung = !defined $status;
	kill("KILL", -$pid);
	waitpid($pid, 0) if $hung;
	unlink glob("$dir/*") unless $hung;
	return (hung => $hung, status => $status, answered => $answered);
}

sub answers_at {
	my $client = Tine::Test->connection(unix => shift) or return 0;

	$client->send(request("/hello", close => 1));
	return is_hello($client->reply("GET", 3));
}

sub program_itself {
	my $plain = build("t/.libs/target");
	return -x $plain ? $plain : program();
}

sub try_start {
	my ($mode, $workers, $dir, $place, %how) = @_;

	arm($place->{id}, {}, %how);
	my %run = run_once($mode, $workers, $dir);
	calm();
	return "it hangs" if $run{hung};
	return "signal " . ($run{status} & 127) if $run{status} & 127;
	my $status = $run{status} >> 8;
	return "status $status" if $status != 0 &&
	    ($status < 64 || $status > 78);
	return "no answer, but status 0" if $status == 0 && !$run{answered};
	return "";
}

sub sweep_start {
	my ($mode, $workers) = @_;
	my $dir = File::Temp::tempdir(CLEANUP => 1);

	reset_faults();
	arm(undef, {});
	my %run = run_once($mode, $workers, $dir);
	calm();
	ok(!$run{hung} && $run{status} == 0 && $run{answered},
	    "a start, an answer, an end ($mode, $workers)");
	my @places = places();
	cmp_ok(scalar @places, ">", 20, scalar(@places) . " places");
	is(try_places("start", sub { try_start($mode, $workers, $dir, @_) },
	    @places), "", "start of $mode, $workers: seed $seed");
}

my %parts = map { $_ => 1 } split /,/, $ENV{TINE_FAULT_PARTS} //
    "serving,forking,master,start";
for my $mode ($parts{serving} ? @modes : ()) {
	sweep($mode, "worker");
	sweep($mode, "worker", args => ["--poller=poll"]) if $mode eq
	    "single";
}
if ($parts{forking} && grep { $_ eq "fork" } @modes) {
	sweep("fork", "child");
	sweep("fork", "forker");
}
sweep_master() if $parts{master};
for my $mode ($parts{start} ? @modes : ()) {
	sweep_start($mode, 0);
	sweep_start($mode, 2);
}
diag("$hit of $tried faults came");
done_testing;
