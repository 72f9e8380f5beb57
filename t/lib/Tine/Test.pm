# What the end-to-end tests share: a server that runs, clients that talk to it
# over real sockets, waits that have a deadline, and an end that leaves no
# process behind.
package Tine::Test;
use strict;
use warnings;
use Carp qw(croak);
use Exporter qw(import);
use Fcntl qw(F_DUPFD);
use File::Temp qw(tempdir);
use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use POSIX qw(:sys_wait_h);
use Socket qw(IPPROTO_TCP TCP_NODELAY SOCK_DGRAM SOL_SOCKET SO_LINGER);
use Test::More;
use Time::HiRes qw(time sleep);

our @EXPORT = qw(@modes @workers modes_in_worker each_mode launch start
    wait_for source build slow is_traced pass_sockets
    program request slurp children alive reply_of tail_of run_command
    cpu_of threads_of checker_threads descriptors_of is_pattern spew variant
    binary
    under_load notify_socket ask_all answered);

# The strategies that every end-to-end test runs in, by how many workers.
our @modes = split /,/, $ENV{TINE_MODES} // "single,thread,fork";
our @workers = (0, 1, 4);
my %wanted_workers = map { $_ => 1 } split /,/, $ENV{TINE_WORKERS} // "";

# Those whose handlers run in the worker; a subtest of them alone is skipped if
# there are none.
sub modes_in_worker {
	my @found = grep { $_ ne "fork" } @modes;

	plan(skip_all => "in mode fork no handler runs in a worker")
	    unless @found;
	return @found;
}

my @servers;
my $top = $$;
$SIG{PIPE} = "IGNORE";
$ENV{TZ} = "UTC";

sub source { return "$ENV{TINE_SRCDIR}/" . (shift // "") }
sub build { return "$ENV{TINE_BUILDDIR}/" . (shift // "") }

# How much more time is given: to a sanitizer, or by TINE_SLOW to a machine.
sub slow {
	return $ENV{TINE_SLOW} if $ENV{TINE_SLOW};
	return ($ENV{TINE_SANITIZER} // "no") eq "no" ? 1 : 5;
}

# Whether a checker looks for leaks by tracing the process, which the sandbox
# forbids.
sub is_traced {
	return $ENV{TINE_VALGRIND} ||
	    ($ENV{TINE_SANITIZER} // "no") =~ /address/;
}

sub slurp {
	my $path = shift;

	open(my $in, "<", $path) or return "";
	local $/;
	return <$in> // "";
}

# The program itself, where libtool's of that name is a script that runs it;
# it needs LD_LIBRARY_PATH then.
sub binary {
	my $path = build(shift);
	(my $hidden = $path) =~ s{([^/]+)$}{.libs/$1};
	return -x $hidden ? $hidden : $path;
}

# What a service manager listens at; see Tine::Notify.
sub notify_socket {
	my $path = tempdir(CLEANUP => 1) . "/notify";
	my $socket = IO::Socket::UNIX->new(Type => SOCK_DGRAM,
	    Local => $path) or croak "$path: $!";

	$socket->blocking(0);
	return bless { path => $path, socket => $socket, got => [] },
	    "Tine::Notify";
}

# Makes handles what a service manager passes to the program that this process
# is about to execute; for the option before of launch().
sub pass_sockets {
	my @high = map { fcntl($_, F_DUPFD, 100) // croak "dup: $!" } @_;

	for my $i (0 .. $#high) {
		POSIX::dup2($high[$i], 3 + $i);
		POSIX::close($high[$i]);
	}
	@ENV{qw(LISTEN_PID LISTEN_FDS)} = ($$, scalar @high);
}

# Waits until the condition is true; returns what it returned, or false.
sub wait_for (&;$) {
	my ($condition, $seconds) = @_;
	my $end = time + ($seconds // 10) * slow();

	while (1) {
		my $result = $condition->();

		return $result if $result;
		return 0 if time > $end;
		sleep 0.01;
	}
}

# Writes a file so that whoever reads it meanwhile sees the old or the new.
sub spew {
	my ($path, $text) = @_;

	open(my $out, ">", "$path.new") or croak "$path.new: $!";
	print $out $text;
	close($out) or croak "$path.new: $!";
	rename("$path.new", $path) or croak "$path: $!";
}

# A copy of a built program or module that says another word of five letters
# than the "world" that /hello greets: so that one sees which one runs.
sub variant {
	my ($from, $to, $word) = @_;
	my $bytes = slurp($from);

	$bytes =~ s/Hello, world!/Hello, $word!/g if defined $word;
	spew($to, $bytes);
	chmod(0755, $to);
	return $to;
}

sub alive {
	my $pid = shift;
	return kill(0, $pid) && stat_of($pid) ne "Z";
}

sub stat_of {
	my ($state) = slurp("/proc/$_[0]/stat") =~ /^\d+ \(.*\) (\S)/s;
	return $state // "Z";
}

# The processes below a process, its own excluded.
sub children {
	my $parent = shift;
	my %by;

	for my $path (glob("/proc/[0-9]*/stat")) {
		my ($pid, $state, $of) =
		    slurp($path) =~ /^(\d+) \(.*\) (\S) (\d+)/s or next;

		push @{$by{$of}}, $pid unless $state eq "Z";
	}
	my @found = @{$by{$parent} // []};
	my @all;
	while (defined(my $pid = shift @found)) {
		push @all, $pid;
		push @found, @{$by{$pid} // []};
	}
	return @all;
}

# The processor time of a process in seconds, and how many threads it has.
sub cpu_of {
	my @fields = split / /, slurp("/proc/$_[0]/stat") =~ s/^.*\) //sr;
	return ($fields[11] + $fields[12]) / POSIX::sysconf(&POSIX::_SC_CLK_TCK);
}

# Whether a body is what t/target.c writes, so many bytes of it.
sub is_pattern {
	my ($body, $bytes) = @_;

	return 0 unless defined $body && length $body == $bytes;
	for (my $at = 0; $at + 4096 <= $bytes; $at += 4096) {
		return 0 unless substr($body, $at, 16) eq
		    sprintf("%015d ", $at);
	}
	return 1;
}

# A thread of its own that ThreadSanitizer has in a process, at most.
sub checker_threads {
	return ($ENV{TINE_SANITIZER} // "no") eq "thread" ? 1 : 0;
}

sub threads_of { return scalar(() = glob("/proc/$_[0]/task/*")) }
sub descriptors_of { return scalar(() = glob("/proc/$_[0]/fd/*")) }

sub program { return build("t/target") }

# Starts a server and does not wait for it.  Options: program, args (list),
# mode, workers, bind (list), bare (all options are in args), env, quiet (log
# lines that are expected, as a pattern), nofile (a limit), before (called in
# its process before exec), is_cut (handlers do not end before the process
# does: ThreadSanitizer would take their threads for a leak).  By hand the suite can be run locked in, with
# TINE_SANDBOXED=--sandbox in the environment, to find what that breaks.
# TINE_VALGRIND is the command that runs it; see t/valgrind.
sub launch {
	my %o = (program => program(), mode => "single", workers => 1,
	    bind => ["127.0.0.1:0"], args => [], @_);
	my $dir = tempdir(CLEANUP => 1);
	my $self = bless {
		%o, dir => $dir, out => "$dir/out", err => "$dir/err"
	}, __PACKAGE__;
	my @command = ($o{program}, $o{bare} ? () : ("--mode=$o{mode}",
	    "--workers=$o{workers}", (map { "--bind=$_" } @{$o{bind}}),
	    split(/ /, $ENV{TINE_SANDBOXED} // "")), @{$o{args}});
	if ($ENV{TINE_VALGRIND}) {
		# Not libtool's script, but what it runs.
		$command[0] =~ s{^\Q@{[build()]}\E}{} and
		    $command[0] = binary($command[0]);
		unshift @command, split(/ /, $ENV{TINE_VALGRIND}),
		    "--log-file=$dir/valgrind.%p";
	}

	my $pid = fork // croak "fork: $!";
	if ($pid == 0) {
		# Whatever it forks is known by the group, parent or not.
		setpgrp(0, 0);
		open(STDIN, "<", "/dev/null");
		open(STDOUT, ">", $self->{out});
		open(STDERR, ">>", $self->{err});
		$ENV{$_} = $o{env}{$_} for keys %{$o{env} // {}};
		$ENV{TSAN_OPTIONS} = join(":", $ENV{TSAN_OPTIONS} // (),
		    "report_thread_leaks=0") if $o{is_cut};
		$o{before}->() if $o{before};
		if ($o{nofile}) {
			exec("sh", "-c", 'ulimit -n "$0"; exec "$@"',
			    $o{nofile}, @command);
		}
		exec(@command) or POSIX::_exit(127);
	}
	$self->{pid} = $pid;
	$self->{command} = "@command";
	push @servers, $self;
	return $self;
}

# The same, and waits until it says where it listens.
sub start {
	my $self = launch(@_);

	$self->wait_ready or diag("not started: $self->{command}\n",
	    slurp($self->{err}));
	return $self;
}

# Waits until it says where it listens; false if it ends before.
sub wait_ready {
	my $self = shift;
	my $pid = $self->{pid};
	my $banner = wait_for { slurp($self->{out}) =~
	    /^Starting server.*^Listening on \S+\n/ms
	    || stat_of($pid) eq "Z" } 20;
	return 0 if stat_of($pid) eq "Z" || !$banner;
	wait_for { (() = slurp($self->{out}) =~ /^Listening/mg) >=
	    @{$self->{bind}} } 5;
	$self->{addresses} = [slurp($self->{out}) =~ /^Listening on (\S+)/mg];
	($self->{port}) = map { m{:(\d+)/?$} ? $1 : () }
	    @{$self->{addresses}};
	return 1;
}

# Waits for an end that was not asked for: ("status as in a shell", what it
# said on standard error).
sub outcome {
	my ($self, $seconds) = @_;
	my $status = $self->ended($seconds // 20);

	return ("none", $self->err) unless defined $status;
	return ($status & 127 ? 128 + ($status & 127) : $status >> 8,
	    $self->err);
}

sub err { return slurp(shift->{err}) }
sub log_like {
	my ($self, $pattern, $seconds) = @_;
	return wait_for { $self->err =~ $pattern } $seconds // 5;
}

# The living processes that came from the server, itself included, whoever
# their parent is now.
sub members {
	my $self = shift;
	my @pids;

	# Its number is another's by now: then none is left.
	return () if defined $self->{status} && -e "/proc/$self->{pid}";
	for my $path (glob("/proc/[0-9]*/stat")) {
		my ($pid, $state, $of, $group) = slurp($path) =~
		    /^(\d+) \(.*\) (\S) (\d+) (\d+)/s or next;

		push @pids, $pid if $group == $self->{pid} && $state ne "Z";
	}
	@pids = sort { $a <=> $b } @pids;
	return @pids;
}

# How many of the server's accepted connections each of its processes has
# open: a reference to a hash by process id.
sub held {
	my $self = shift;
	my (%inodes, %held);

	for (split /\n/, slurp("/proc/net/tcp")) {
		my @column = split ' ';

		# Established, or half-closed by either side.
		next unless $column[1] =~ /:([0-9A-F]{4})$/ &&
		    hex($1) == $self->{port} && $column[3] =~ /^0[1458]$/;
		$inodes{$column[9]} = 1;
	}
	for my $pid ($self->members) {
		$held{$pid} = grep {
			(readlink($_) // "") =~ /^socket:\[(\d+)\]$/ &&
			    $inodes{$1}
		} glob("/proc/$pid/fd/*");
	}
	return \%held;
}

# The living children of the server.  Of a master, which has one thread, the
# kernel tells them in one piece, so that none is missed between two others.
sub workers_of {
	my $self = shift;
	my $told = "/proc/$self->{pid}/task/$self->{pid}/children";
	my @pids = -e $told ? split(/ /, slurp($told))
	    : map { m{^/proc/(\d+)} } glob("/proc/[0-9]*/stat");

	@pids = sort { $a <=> $b } grep {
		slurp("/proc/$_/stat") =~ /^\d+ \(.*\) [^Z] $self->{pid} /s
	} @pids;
	return @pids;
}

# Waits for the end; returns the exit status as waitpid(2) has it, or undef.
sub ended {
	my ($self, $seconds) = @_;
	my $end = time + ($seconds // 10) * slow();

	return $self->{status} if defined $self->{status};
	while (time < $end) {
		if (waitpid($self->{pid}, WNOHANG) == $self->{pid}) {
			$self->{status} = $?;
			return $?;
		}
		sleep 0.01;
	}
	return undef;
}

# The lines of the error log that should not be there.
sub odd_lines {
	my $self = shift;

	return ($self->valgrind_reports, grep {
		/Sanitizer|runtime error/ || (/ ERROR / &&
		    !($self->{quiet} && /$self->{quiet}/))
	} split /\n/, $self->err);
}

# What valgrind found in each process: faults, memory that was lost, and
# connections and nameless files that a process had open at its end.
sub valgrind_reports {
	my $self = shift;
	my @reports;

	for my $path (glob("$self->{dir}/valgrind.*")) {
		my @lines = map { s/^[=*]+\d+[=*]+ //r } split /\n/,
		    slurp($path);
		my ($count) = map { /^ERROR SUMMARY: (\d+) errors/ } @lines;
		my @open = grep { /^Open .*(<-> 127\.0\.0\.1:[1-9]|\(deleted\))/
		    && !/memfd:/ } @lines;

		# A crash on purpose is a fault; see the log for all others.
		next if grep { /^Process terminating with default action/ }
		    @lines;
		push @reports, @open;
		# One that was killed has no summary.
		push @reports, "$path:", @lines if ($count // 0) > 0 ||
		    grep { /internal error|'impossible' happened/ } @lines;
	}
	return @reports;
}

# Ends the server as an administrator would, and demands a clean end.
sub stop {
	my ($self, $signal) = @_;
	my $name = "$self->{mode}, $self->{workers} workers";

	return if $self->{stopped}++;
	kill($signal // "TERM", $self->{pid});
	my $status = $self->ended(20);
	wait_for { !$self->members } 3;
	my @left = $self->members;
	my @odd = $self->odd_lines;
	ok(defined $status && $status == 0 && !@left && !@odd,
	    "it ends cleanly ($name)")
	    or diag("status ", $status // "none", ", left: @left\n",
	    join("\n", @odd[0 .. ($#odd > 20 ? 20 : $#odd)]),
	    @odd ? "" : substr($self->err, -2000));
}

sub each_mode (&;@) {
	my ($block, %o) = @_;

	for my $mode (@modes) {
		for my $count (@{$o{workers} // \@workers}) {
			next if %wanted_workers && !$wanted_workers{$count};
			subtest "$mode, $count workers" => sub {
				$block->($mode, $count);
			};
		}
	}
}

# Sends a signal to the master and waits until its log has a new line for it.
sub tell {
	my ($self, $signal, $pattern, $seconds) = @_;
	my $count = () = $self->err =~ /$pattern/g;

	kill($signal, $self->{pid});
	return wait_for { (() = $self->err =~ /$pattern/g) > $count }
	    $seconds // 20;
}

# ---------------------------------------------------------------- clients

# Connections that have had a request each and wait for their next.
sub idle_clients {
	my ($self, $count) = @_;
	my @clients = grep { defined } map { $self->connection } 1 .. $count;

	$_->send(request("/hello")) for @clients;
	return grep { $_->reply->{status} == 200 } @clients;
}

# So many connections, each with a request on its way.
sub ask_all {
	my ($self, $count, $path) = @_;
	my @clients = map { $self->connection } 1 .. $count;

	$_->send(request($path)) for @clients;
	return @clients;
}

# How many of them are answered well.
sub answered {
	return scalar(grep { $_->reply("GET", 10)->{status} == 200 } @_);
}

# How many of them are answered when they ask again.
sub still_answered {
	my ($self, @clients) = @_;

	$_->send(request("/hello")) for @clients;
	return answered(@clients);
}

# One round of a load: 8 clients that stay and 8 that come for one request;
# the number of right replies.
sub load_round {
	my ($server, $path, $keep, $body) = @_;
	my @new = map { $server->connection } 1 .. 8;
	my $good = 0;

	$_->send(request($path)) for @$keep;
	$_ && $_->send(request($path, close => 1)) for @new;
	for my $client (@$keep, @new) {
		my $reply = $client ? $client->reply("GET", 15)
		    : { status => 0, trouble => "not connected" };
		my $is_good = $reply->{status} == 200 &&
		    $reply->{body} =~ $body;

		$good += $is_good;
		print STDERR "# load: ", $reply->{trouble} //
		    "status $reply->{status}", "\n" if !$is_good;
	}
	return $good;
}

# A load for as long as code runs, from a process of its own: a signal would
# make a wait for a reply look like a deadline.  Returns how many requests
# were answered rightly, and how many were not.
sub under_load {
	my ($server, $code, %o) = @_;
	my $path = $o{path} // "/hello";
	my $body = $o{body} // qr/^Hello, \w{5}!$/;
	pipe(my $in, my $out) or croak "pipe: $!";
	pipe(my $goes_on, my $stop) or croak "pipe: $!";
	my $pid = fork // croak "fork: $!";

	if ($pid == 0) {
		my @keep = map { $server->connection } 1 .. 8;
		my ($good, $asked) = (0, 0);

		close($stop);
		while (!IO::Select->new($goes_on)->can_read(0)) {
			$good += load_round($server, $path, \@keep, $body);
			$asked += 16;
			sleep($o{pause} // 0.001);
		}
		print $out "$good $asked\n";
		close($out);
		POSIX::_exit(0);
	}
	close($out);
	close($goes_on);
	$code->();
	close($stop);
	my ($good, $asked) = split / /, <$in> // "0 1";
	waitpid($pid, 0);
	return ($good, $asked - $good);
}

sub connection {
	my ($self, %o) = @_;
	my $socket;

	if ($o{unix}) {
		$socket = IO::Socket::UNIX->new(Peer => $o{unix});
	} else {
		$socket = IO::Socket::INET->new(PeerAddr => "127.0.0.1",
		    PeerPort => $self->{port}, Timeout => 10);
		setsockopt($socket, IPPROTO_TCP, TCP_NODELAY, 1) if $socket;
	}
	return undef unless $socket;
	return bless { socket => $socket, buffer => "" }, "Tine::Client";
}

# One request on a connection of its own; the reply as a hash, see reply().
sub ask {
	my ($self, $path, %o) = @_;
	my $client = $self->connection or return { status => 0 };

	$client->send(request($path, close => 1, %o));
	return $client->reply($o{method} // "GET", $o{seconds});
}

sub request {
	my ($path, %o) = @_;
	my $method = $o{method} // "GET";
	my $version = $o{version} // "1.1";
	my $text = "$method $path HTTP/$version\r\nHost: localhost\r\n";

	$text .= "Connection: close\r\n" if $o{close};
	$text .= "$_\r\n" for @{$o{fields} // []};
	$text .= "Content-Length: " . length($o{body}) . "\r\n"
	    if defined $o{body};
	return "$text\r\n" . ($o{body} // "");
}

sub reply_of {
	my ($server, $text, $method) = @_;
	my $client = $server->connection;

	$client->send($text);
	return $client->reply($method // "GET");
}

sub tail_of { return substr($_[0], -($_[1] // 500)) }

# Runs a command, a minute at most; (status, output of both streams).  The
# status of one that a signal ended is 128 and more, as in a shell.
sub run_command {
	my @command = @_;
	my $pid = open(my $out, "-|") // croak "fork: $!";

	if ($pid == 0) {
		setpgrp(0, 0);
		open(STDERR, ">&", \*STDOUT);
		exec(@command) or POSIX::_exit(127);
	}
	my $end = time + 60 * slow();
	my $select = IO::Select->new($out);
	my $text = "";
	my $n = 1;
	while ($n) {
		if (!$select->can_read($end - time)) {
			diag("too long: @command");
			kill("KILL", -$pid);
			last;
		}
		$n = sysread($out, $text, 65536, length $text);
	}
	close($out);
	return ($? & 127 ? 128 + ($? & 127) : $? >> 8, $text);
}

# A test that is interrupted leaves no server behind either.
$SIG{INT} = $SIG{TERM} = sub { exit(1) };

# A server that no test ended, a process that outlived its server and a
# sanitizer's report that nobody looked at fail the whole test.
END {
	my $status = $?;

	for my $server ($$ == $top ? @servers : ()) {
		my $is_forgotten = !defined $server->{status};
		my @odd = $server->{stopped} ? () :
		    grep { /Sanitizer|runtime error/ } $server->odd_lines;
		my $is_gone = wait_for { !grep { $_ != $server->{pid} }
		    $server->members } $is_forgotten ? 0 : 3;

		if ($is_forgotten || !$is_gone) {
			diag("left running: ", join(" ", $server->members));
			kill("KILL", -$server->{pid});
			waitpid($server->{pid}, 0) if $is_forgotten;
		}
		diag(join("\n", @odd)) if @odd;
		$status ||= 1 if $is_forgotten || !$is_gone || @odd;
	}
	$? = $status;
}

# A service manager's socket: what was sent to it, in order.
package Tine::Notify;

sub messages {
	my $self = shift;

	while (defined($self->{socket}->recv(my $text, 4096))) {
		push @{$self->{got}}, $text;
	}
	return @{$self->{got}};
}

# Waits for a message like that; returns it.
sub wait_like {
	my ($self, $pattern, $seconds) = @_;
	my $found;

	Tine::Test::wait_for(sub {
		($found) = grep { $_ =~ $pattern } $self->messages;
	}, $seconds // 10);
	return $found;
}

# Forgets what came until now.
sub clear {
	my $self = shift;

	$self->messages;
	$self->{got} = [];
}

package Tine::Client;
use Errno;
use Time::HiRes qw(time);
use Socket qw(SOL_SOCKET SO_LINGER);

# Sends all of it; false if the server ends the connection, or takes nothing
# for that long.
sub send {
	my ($self, $text, $seconds) = @_;
	my $select = IO::Select->new($self->{socket});
	my $at = 0;

	$self->{socket}->blocking(0);
	while ($at < length $text) {
		my $n = syswrite($self->{socket}, $text,
		    length($text) - $at, $at);
		if (!defined $n && $!{EAGAIN}) {
			next if $select->can_write(($seconds // 20) *
			    Tine::Test::slow());
			last;
		}
		last unless defined $n;
		$at += $n;
	}
	$self->{socket}->blocking(1);
	return $at == length $text;
}

# Reads more into the buffer: 1, 0 at the end, undef after an error or the
# deadline; the reason is in {trouble}.
sub more {
	my ($self, $end) = @_;
	my $select = IO::Select->new($self->{socket});
	my $left = $end - time;

	if ($left <= 0 || !$select->can_read($left)) {
		$self->{trouble} = "deadline";
		return undef;
	}
	my $n = sysread($self->{socket}, $self->{buffer}, 65536,
	    length $self->{buffer});
	$self->{trouble} = "$!" unless defined $n;
	$self->{trouble} = "end" if defined $n && $n == 0;
	return $n ? 1 : $n;
}

sub line {
	my ($self, $end) = @_;

	my $at;

	while (($at = index($self->{buffer}, "\r\n")) == -1) {
		$self->more($end) or return undef;
	}
	my $line = substr($self->{buffer}, 0, $at + 2, "");
	return substr($line, 0, $at);
}

sub bytes {
	my ($self, $count, $end) = @_;

	while (length $self->{buffer} < $count) {
		$self->more($end) or return undef;
	}
	return substr($self->{buffer}, 0, $count, "");
}

sub to_end {
	my ($self, $end) = @_;
	my $more;

	1 while $more = $self->more($end);
	return undef unless defined $more;
	my $all = $self->{buffer};
	$self->{buffer} = "";
	return $all;
}

sub chunks {
	my ($self, $end) = @_;
	my $body = "";

	while (1) {
		my $size = $self->line($end);
		return undef unless defined $size && $size =~ /^[0-9a-f]+$/i;
		my $data = $self->bytes(hex($size), $end);
		return undef unless defined $data;
		$body .= $data;
		my $after = $self->line($end);
		return undef unless defined $after && $after eq "";
		return $body if hex($size) == 0;
	}
}

# The head of a reply behind its status line, checked as RFC 9112 has it;
# returns what is wrong with it, or "".
sub head {
	my ($self, $reply, $end) = @_;
	my $fields = $reply->{fields};
	my $line;

	while (defined($line = $self->line($end)) && $line ne "") {
		$line =~ /^([!#\$%&'*+.^_`|~0-9A-Za-z-]+): ([^\x00-\x08\x0a-\x1f\x7f]*)$/
		    or return "bad field: $line";
		return "field twice: $line" if exists $fields->{lc $1} &&
		    lc $1 ne "set-cookie";
		$fields->{lc $1} = $2;
		push @{$reply->{order}}, $1;
	}
	return $self->{trouble} unless defined $line;
	my ($length, $coding) = @{$fields}{"content-length",
	    "transfer-encoding"};
	return "two framings" if defined $length && defined $coding;
	return "bad length: $length" if defined $length && $length !~ /^\d+$/;
	return "bad coding: $coding" if defined $coding &&
	    $coding ne "chunked";
	return "a framing with status $reply->{status}" if
	    $reply->{status} =~ /^(1..|204)$/ && (defined $length ||
	    defined $coding);
	return "";
}

# One reply, strictly: status (0 if there is no good one), reason, version,
# fields (lower case names), order (names as they came), body (undef if it was
# cut); trouble says why not.
sub reply {
	my ($self, $method, $seconds) = @_;
	my $end = time + ($seconds // 10) * Tine::Test::slow();
	my %reply = (status => 0, fields => {}, order => []);
	my $line = $self->line($end);

	return { %reply, trouble => $self->{trouble} } unless defined $line;
	$line =~ m{^HTTP/(1\.[01]) (\d{3}) ([^\x00-\x1f\x7f]*)$}
	    or return { %reply, trouble => "bad line: $line" };
	@reply{qw(version status reason)} = ($1, $2, $3);
	my $wrong = $self->head(\%reply, $end);
	return { %reply, status => 0, trouble => $wrong } if $wrong ne "";
	my $fields = $reply{fields};
	if (($method // "GET") eq "HEAD" || $reply{status} =~ /^(1..|204|304)$/) {
		$reply{body} = "";
	} elsif (defined $fields->{"transfer-encoding"}) {
		$reply{body} = $self->chunks($end);
	} elsif (defined $fields->{"content-length"}) {
		$reply{body} = $self->bytes($fields->{"content-length"},
		    $end);
	} else {
		$reply{body} = $self->to_end($end);
	}
	$reply{trouble} = $self->{trouble} unless defined $reply{body};
	return \%reply;
}

# Whether the server ends the connection, without a further byte.
sub is_closed {
	my ($self, $seconds) = @_;
	my $end = time + ($seconds // 5) * Tine::Test::slow();
	my $more = $self->more($end);

	return (defined $more ? $more == 0 : $self->{trouble} =~ /reset/i)
	    && $self->{buffer} eq "";
}

sub is_quiet {
	my ($self, $seconds) = @_;
	return $self->{buffer} eq "" &&
	    !IO::Select->new($self->{socket})->can_read($seconds // 0.1);
}

sub close {
	my $self = shift;
	CORE::close($self->{socket});
}

sub half_close { shutdown($_[0]{socket}, 1) }

1;
