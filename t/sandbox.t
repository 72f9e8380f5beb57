# Locked in: what a handler that was taken over tries is refused, and serving,
# uploads, crashes, reloads and hand-over go on as they were.
use strict;
use warnings;
use File::Temp qw(tempdir);
use IO::Socket::INET;
use Test::More;
use Tine::Test;

my $module = build("t/sandboxed.so");
my $dir = tempdir(CLEANUP => 1);	# nothing in it may be used
my $place = tempdir(CLEANUP => 1);	# here files may be saved
my $spools = tempdir(CLEANUP => 1);
my $own = "$spools/tine-$>";
my $listener = IO::Socket::INET->new(LocalAddr => "127.0.0.1", Listen => 1024);
my $noise = qr/worker \d|child \d|in a handler|^  #|in a row/;

# To look for leaks a process has to trace itself, and may not.
$ENV{ASAN_OPTIONS} = ($ENV{ASAN_OPTIONS} // "") . ":detect_leaks=0";

# A process of the same user, to aim at.
my $victim = fork;
if ($victim == 0) { sleep 600; POSIX::_exit(0) }
END { if ($victim) { local $?; kill("KILL", $victim); waitpid($victim, 0) } }

open(my $out, ">", "$dir/there");
print $out "untouched";
close($out);
chmod 0644, "$dir/there";

# 1: lines in the log about what there is not.
sub start_sandboxed {
	my %o = @_;

	return start(program => build("bin/tine"), quiet => $noise, %o,
	    args => ["--spool-dir=$spools", @{$o{args} // ["--sandbox"]},
	    $o{module} // $module]);
}

sub try {
	my ($server, %o) = @_;
	my $reply = $server->ask("/try?pid=" . ($o{pid} // $victim) .
	    "&port=" . $listener->sockport . "&dir=" . ($o{dir} // $dir) .
	    ($o{only} ? "&only=$o{only}" : ""), seconds => 20);

	is($reply->{status}, 200, "all that was tried was survived");
	return { ($reply->{body} // "") =~ /^([\w-]+)=(.*)$/mg };
}

# What this machine has: the log says so.
my $first = start_sandboxed();
my $log = $first->err;
my $has_landlock = $log !~ /has no Landlock/;
my $has_seccomp = $log !~ /system calls are not restricted/;
my ($version) = $log =~ /is version (\d+)/;
my $is_whole = $has_landlock && ($version // 99) >= 6 && $has_seccomp;
cmp_ok(scalar(() = $log =~ /--sandbox/g), "<=", 2, "what lacks is said once");
$first->stop;
note("Landlock: ", $has_landlock ? "yes" : "no", $version // "",
    ", seccomp: ", $has_seccomp ? "yes" : "no");

my @by_landlock = qw(read-passwd read-memory list-root make-file
    make-nameless write-file);
my @by_seccomp = qw(cut-file change-mode change-owner change-time exec fork
    shell clone3 ptrace read-other signal-other signal-thread signal-all
    open-process own-descriptor limit-other connect listen bind datagrams
    become-root mount unshare chroot terminal io-uring bpf keys faults events
    x32 i386 library code to-code);

my %said = (clone3 => "ENOSYS", connect => "EACCES", listen => "EACCES",
    bind => "EACCES");

sub refused {
	my ($got, @names) = @_;

	for my $name (@names) {
		my $wanted = $said{$name} // "E(PERM|ACCES)";

		like($got->{$name}, qr/^$wanted$/, "refused: $name");
	}
}

sub is_locked_in {
	my $got = shift;

	refused($got, @by_landlock) if $has_landlock;
	refused($got, @by_seccomp) if $has_seccomp;
	refused($got, "capabilities");
	is($got->{$_}, "done", "allowed: $_")
	    for grep { /^good-/ } sort keys %$got;
}

# Without it nearly all of that works: the attempts are real ones.
{
	my $server = start_sandboxed(args => []);
	my @free = qw(make-file make-nameless write-file cut-file change-mode
	    change-owner change-time exec fork shell signal-other
	    signal-thread open-process own-descriptor connect listen bind
	    datagrams library code to-code read-passwd list-root clone3
	    terminal);

	for my $name (@free, "good-thread") {
		my $got = try($server, only => $name);
		is($got->{$name}, "done", "without --sandbox: $name");
	}
	open(my $out, ">", "$dir/there");
	print $out "untouched";
	close($out);
	unlink glob("$dir/made.*");
	$server->stop;
}

sub upload {
	my ($server, $query) = @_;
	my $body = "--b\r\nContent-Disposition: form-data; name=\"file\"; " .
	    "filename=\"a\"\r\n\r\n" . "x" x 300000 . "\r\n--b--\r\n";

	return $server->ask("/form$query", method => "POST", body => $body,
	    fields => ["Content-Type: multipart/form-data; boundary=b"]);
}

sub field_of {
	my ($pid, $name) = @_;
	return slurp("/proc/$pid/status") =~ /^$name:\s*(\S+)/m ? $1 : "";
}

each_mode {
	my ($mode, $workers) = @_;
	my $server = start_sandboxed(mode => $mode, workers => $workers);
	my @all = $server->members;
	my @inside = grep { $workers == 0 || $_ != $server->{pid} } @all;
	my ($sibling) = grep { $_ != $inside[-1] } @inside, $victim;

	is_locked_in(try($server, pid => $_)) for $victim, $sibling;
	is(slurp("$dir/there"), "untouched", "a file is as it was");
	is_deeply([glob("$dir/made.*")], [], "none was made");
	# Those of mode fork come and go.
	for my $status (grep { /^Seccomp/m } map { slurp("/proc/$_/status") }
	    $server->members) {
		next if $workers > 0 && $status =~ /^Pid:\s*$server->{pid}$/m;
		like($status, qr/^Cap$_:\s*0+$/m, "no capability: $_")
		    for qw(Inh Prm Eff Amb), $> == 0 ? "Bnd" : ();
		like($status, qr/^NoNewPrivs:\s*1$/m, "nor will there be");
		my $mode = $has_seccomp ? 2 : 0;
		like($status, qr/^Seccomp:\s*$mode$/m,
		    "system calls are filtered");
	}
	if ($workers > 0) {
		is(field_of($server->{pid}, "Seccomp"), 0,
		    "the master is not locked in");
	}
	like($server->ask("/kept")->{body}, qr/kept=1/,
	    "what worker_init has opened can be read");
	like(upload($server, "")->{body}, qr/length=300000/, "an upload");
	is(upload($server, "?dir=$dir")->{body} =~ /saved=(\w+)/ && $1,
	    $has_landlock ? "EACCES" : $has_seccomp ? "EPERM" : "done",
	    "which cannot be saved elsewhere");
	is(length($server->ask("/big?bytes=2000000")->{body} // ""), 2000000,
	    "a reply that is spooled");
	my @left = glob("$own/*");
	is_deeply(\@left, [], "nothing stays in the directory of spools");
	if ($workers > 0) {
		my @idle = map { $server->connection } 1 .. 8;

		for my $client (@idle) {
			$client->send(request("/pid"));
			$client->reply;
		}
		is($server->ask("/crash")->{status}, 500, "a crash: 500");
		ok($server->log_like(qr/#\d+ \S*answer\S* \(/),
		    "and the log has the function's name");
		my $good = 0;
		for my $client ($workers > 1 ? @idle : ()) {
			$client->send(request("/pid"));
			$good += $client->reply->{status} == 200;
		}
		is($good, 8, "other connections live on") if $workers > 1;
		ok(wait_for { ($server->ask("/pid")->{status}) == 200 },
		    "it serves on");
	}
	$server->stop;
};

# Connections move between workers that are locked in, and workers change.
for my $mode (@modes) {
	my $log = "$place/log.$mode";
	my $server = start_sandboxed(mode => $mode, workers => 2,
	    args => ["--sandbox", "--max-requests=20", "--log=$log"]);
	my @clients = map { $server->connection } 1 .. 10;
	my @first = $server->workers_of;
	my ($good, $round) = (0, 0);

	wait_for {
		kill("HUP", $server->{pid}) if ++$round == 4;
		for my $client (@clients) {
			$client->send(request("/pid"));
			$good += $client->reply->{status} == 200;
		}
		$round >= 8 && !grep { alive($_) } @first;
	};
	is($good, $round * 10, "$mode: recycling and a reload lose nothing");
	is(scalar(grep { alive($_) } @first), 0, "and other workers serve");
	rename($log, "$log.old");
	kill("USR1", $server->{pid});
	ok(wait_for { -e $log }, "the log is opened anew");
	ok(wait_for { $server->ask("/pid"); -s $log }, "and written to");
	$server->stop;
}

# What is asked for beside.
for my $mode (@modes) {
	my $server = start_sandboxed(mode => $mode, args => ["--sandbox",
	    "--sandbox-read=/etc", "--sandbox-write=$place",
	    "--sandbox-connect"]);
	my $got = try($server, dir => $place);

	is($got->{$_}, "done", "$mode: allowed by its option: $_")
	    for qw(read-passwd make-file make-nameless connect);
	refused($got, qw(exec fork listen bind signal-other list-root))
	    if $is_whole;
	is(upload($server, "?dir=$place")->{body} =~ /saved=(\w+)/ && $1,
	    "done", "a form's file is saved");
	is(-s "$place/saved", 300000, "all of it");
	is((stat "$place/saved")[2] & 0777, 0640, "with its mode");
	unlink "$place/saved", glob("$place/made.*");
	refused(try($server), qw(make-file make-nameless))
	    if $has_landlock;
	$server->stop;
}

# As another user, with nothing of root's left.
SKIP: {
	skip "only root can change the user", 1 if $> != 0;
	my $user = getpwnam("nobody") ? "nobody" : skip "no user nobody", 1;

	chmod 0777, $spools;
	chmod 0755, $dir;
	my $server = start_sandboxed(args => ["--sandbox", "--user=$user",
	    "--log=none"], workers => 1);
	my ($worker) = $server->workers_of;

	is_locked_in(try($server));
	is(field_of($worker, "CapBnd"), "0" x 16, "nor a bound of any");
	like(upload($server, "")->{body}, qr/length=300000/,
	    "an upload, as $user");
	$server->stop;

	# What root can reach, and the user cannot.
	my $private = tempdir(CLEANUP => 1);
	mkdir "$private/in";
	for my $mode (@modes) {
		for my $workers (0, 1) {
			my ($status, $text) = run_command("timeout", 30,
			    build("bin/tine"), "--bind=127.0.0.1:0",
			    "--mode=$mode", "--workers=$workers", "--sandbox",
			    "--user=$user", "--sandbox-read=$private/in",
			    $module);

			is($status, 77, "$mode, $workers workers: 77");
			like($text, qr/^tine: (no worker became ready: )?--sandbox-read=\Q$private\E\/in: Permission denied \(the user that serves has to reach it, see --user\)$/m,
			    "and why");
		}
	}
}

# A directory is served locked in, if nobody says otherwise.
for my $mode (@modes) {
	my $served = tempdir(CLEANUP => 1);

	open(my $out, ">", "$served/page.html");
	print $out "a page";
	close($out);
	symlink("/etc/passwd", "$served/link");
	for my $case ([[], 1, 404], [["--no-sandbox"], 0, 404],
	    [["--follow-symlinks=on"], 1, 200],
	    [["--follow-symlinks=on", "--sandbox-read=$place"], 1,
	    $has_landlock ? 404 : 200]) {
		my ($args, $is_in, $link) = @$case;
		my $server = start_sandboxed(mode => $mode, args => $args,
		    module => $served);
		my ($worker) = $server->workers_of;

		is($server->ask("/page.html")->{body}, "a page",
		    "$mode, a directory, @$args");
		like($server->ask("/")->{body}, qr/page\.html/, "its listing");
		is(field_of($worker, "NoNewPrivs") .
		    field_of($worker, "CapEff") =~ s/^0+$/none/r,
		    $is_in ? "1none" : "1" . field_of($$, "CapEff") =~
		    s/^0+$/none/r, $is_in ? "locked in" : "not locked in");
		is($server->ask("/link")->{status}, $link, "a link outside");
		$server->stop;
	}
}

# Somebody else was there first.
{
	my $taken = tempdir(CLEANUP => 1);
	mkdir "$taken/tine-$>";
	chmod 0755, "$taken/tine-$>";
	my $server = start(program => build("bin/tine"), args => ["--sandbox",
	    "--spool-dir=$taken", $module]);

	like(upload($server, "")->{body}, qr/length=300000/,
	    "a directory that is not ours alone is not used");
	is(scalar(() = glob("$taken/tine-$>-*")), 1, "but another");
	$server->stop;
}

# What the kernel has not is said once, and the rest is done.
SKIP: {
	skip "LD_PRELOAD and sanitizers do not go together", 1
	    if ($ENV{TINE_SANITIZER} // "no") ne "no";
	my $lack = tempdir(CLEANUP => 1);
	my $old = qr/Landlock of this kernel is version \d, without rules for/;
	my @cases = (
	    [landlock => -1, qr/has no Landlock .*files .* not restricted/],
	    [landlock => 1, qr/$old truncating files, TCP, devices, signals/],
	    [landlock => 2, qr/$old truncating files, TCP, devices, signals/],
	    [landlock => 3, qr/$old TCP, devices, signals/],
	    [landlock => 4, qr/$old devices, signals/],
	    [landlock => 5, qr/$old signals/], [landlock => 6, undef],
	    [seccomp => -1, qr/no filters of seccomp.*not restricted/]);

	for my $case (@cases) {
		my ($what, $version, $line) = @$case;
		next if $what eq "landlock" && $version > 0 && !$is_whole;
		open(my $out, ">", "$lack/$what") or die;
		print $out $version;
		close($out);
		for my $mode (@modes) {
			my $server = start_sandboxed(workers => 2,
			    mode => $mode, env => { PRELOAD => $lack,
			    LD_PRELOAD => build("t/preload.so") });
			my $got = try($server);
			my $name = "$mode, $what $version";

			is(scalar(() = $server->err =~ /--sandbox/g),
			    defined $line ? 1 : 0, "$name: said once");
			like($server->err, $line, "what is lacking")
			    if defined $line;
			refused($got, "capabilities");
			refused($got, @by_landlock)
			    if $what ne "landlock" || $version > 0;
			refused($got, @by_seccomp)
			    if $what ne "seccomp" && $has_seccomp;
			like(upload($server, "")->{body}, qr/length=300000/,
			    "it serves");
			$server->stop;
		}
		unlink("$lack/$what");
	}
}

# The options.
for my $case (["--sandbox=maybe", 64, qr/--sandbox=maybe: .*on nor off/],
    ["--sandbox-read=", 64, qr/--sandbox-read=: .*no path/],
    ["--no-sandbox=x", 64, qr/no-sandbox/]) {
	my ($status, $text) = run_command("timeout", 30, build("bin/tine"),
	    $case->[0], $module);
	is($status, $case->[1], $case->[0]);
	like($text, $case->[2], "says why");
}
# A path that is not there is found at the start, and by --test.
for my $case (["read", "--workers=0"], ["read", "--workers=1"],
    ["write", "--mode=fork"], ["write", "--test"]) {
	my ($way, @args) = @$case;
	my ($status, $text) = run_command("timeout", 30, build("bin/tine"),
	    "--bind=127.0.0.1:0", "--sandbox", @args,
	    "--sandbox-$way=$dir/none", $module);
	is($status, 66, "--sandbox-$way=missing (@args)");
	like($text, qr/^tine: --sandbox-$way=\Q$dir\E\/none: No such file/,
	    "is named");
}
is((run_command("timeout", 30, build("bin/tine"), "--test", "--no-sandbox",
    "--sandbox-read=$dir/none", $module))[0], 0,
    "without a sandbox nobody looks for it");
for my $args (["--no-sandbox"], ["--sandbox=off"],
    ["--sandbox", "--no-sandbox"]) {
	my $server = start_sandboxed(args => $args);
	is(try($server, only => "read-passwd")->{"read-passwd"}, "done",
	    "@$args");
	$server->stop;
}
{
	open(my $out, ">", "$place/tine.conf");
	print $out "sandbox\nsandbox-write = $place\nsandbox-read /etc\n";
	close($out);
	my $server = start_sandboxed(args => ["--config=$place/tine.conf"]);
	my $got = try($server, dir => $place);
	is($got->{"capabilities"}, "EPERM", "in the file: sandbox");
	is($got->{$_}, "done", "and its paths: $_")
	    for qw(make-file read-passwd);
	$server->stop;
}
done_testing;
