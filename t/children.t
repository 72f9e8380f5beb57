# Mode fork's children: how many there are, how long they wait, and whose
# they are.
use strict;
use warnings;
use File::Temp qw(tempdir);
use Test::More;
use Time::HiRes qw(time);
use Tine::Test;

plan skip_all => "no mode fork" unless grep { $_ eq "fork" } @modes;

# Those of the first worker; its forker is the one that has them.
sub born {
	my $server = shift;
	my ($worker) = $server->workers_of;

	return grep { parent($_) != $worker } children($worker);
}

sub parent {
	return (slurp("/proc/$_[0]/stat") =~ /^\d+ \(.*\) \S (\d+)/s)[0] // 0;
}

# The server's children that have ended and that nobody has waited for.
sub zombies {
	my $server = shift;

	return grep {
		slurp($_) =~ /^\d+ \(.*\) Z \d+ $server->{pid} /s
	} glob("/proc/[0-9]*/stat");
}

sub at_once {
	my ($server, $count, $target) = @_;
	my @clients = map { $server->connection } 1 .. $count;

	$_->send(request($target)) for @clients;
	return grep { $_->reply->{status} == 200 } @clients;
}

# As many as are wanted, more while requests wait, and then fewer again.
my $server = start(mode => "fork", workers => 1, args => [
	"--spare-children=3", "--max-children=12", "--spare-timeout=1"]);
ok((wait_for { born($server) == 3 } 5), "--spare-children=3");
is(scalar(at_once($server, 30, "/sleep?ms=50")), 30, "30 requests at once");
my $most = 0;
ok((wait_for { my $n = born($server); $most = $n if $n > $most; $n > 3 } 2),
    "there are more spares after requests had to wait");
cmp_ok($most, "<=", 12, "but not more than --max-children");
ok((wait_for { born($server) == 3 } 15), "and as many as before when idle");
my @old = born($server);
ok((wait_for { my %now = map { $_ => 1 } born($server);
    keys %now == 3 && !grep { $now{$_} } @old } 10),
    "--spare-timeout: others take the place of those that waited");
ok((wait_for { !zombies($server) } 5), "nobody waits to be reaped");
$server->stop;

$server = start(mode => "fork", workers => 1, args => ["--spare-timeout=0"]);
ok((wait_for { born($server) == 2 } 5), "two by default");
@old = born($server);
is($server->ask("/hello")->{status}, 200, "a request takes one");
ok((wait_for { born($server) == 2 && !zombies($server) } 5),
    "another comes, and the one that served is reaped");
is(scalar(grep { alive($_) } @old), 1, "the other spare waits on");
$server->stop;

# A spare that dies is replaced, and no crash of its worker.
$server = start(mode => "fork", workers => 1, quiet => qr/child \d+ ended/);
ok((wait_for { born($server) == 2 } 5), "two spares");
my @workers = $server->workers_of;
@old = born($server);
kill("KILL", @old);
wait_for { !grep { alive($_) } @old } 5;
is($server->ask("/hello")->{status}, 200, "served although the spares died");
ok($server->log_like(qr/child $old[0] ended with signal 9 .* while it waited/),
    "the log has how");
ok((wait_for { born($server) >= 2 } 5), "and there are two again");
is_deeply([$server->workers_of], \@workers, "in the same worker");

# One that is given a request and dies before it has read it.
@old = born($server);
kill("STOP", @old);
wait_for { !grep { Tine::Test::stat_of($_) ne "T" } @old } 5;
my $given = $server->connection;
$given->send(request("/hello"));
ok($given->is_quiet(0.3), "a stopped spare has the request");
kill("KILL", @old);
is($given->reply->{status}, 200, "it dies, and another serves it");
$server->stop;

# All of a crew at once, as when memory runs out: that is one misfortune, and
# holds the next request up for no longer than one death does.
$server = start(mode => "fork", workers => 1, quiet => qr/child \d+ ended/,
    args => ["--spare-children=12"]);
for my $round (1, 2) {
	ok((wait_for { born($server) >= 12 } 5), "twelve spares");
	@old = born($server);
	kill("KILL", @old);
	wait_for { !grep { alive($_) } @old } 5;
	my $begun = time;
	is($server->ask("/hello", seconds => 20)->{status}, 200,
	    "served after all of them died");
	cmp_ok(time - $begun, "<", 2 * slow(), "soon");
}
$server->stop;

# Children that end before their first request: forked with growing pauses.
$server = start(program => build("t/hooks"), mode => "fork", workers => 1,
    env => { BARREN => 1 }, quiet => qr/child \d+ ended/);
my $client = $server->connection;
$client->send(request("/a"));
ok((wait_for { $server->err =~ /ended with exit status 3 while it waited/ } 5),
    "post_fork ends its process");
select(undef, undef, undef, 1);
my $deaths = () = $server->err =~ /while it waited/g;
cmp_ok($deaths, "<", 100, "$deaths children in a second or so");
is(scalar($server->workers_of), 1, "the worker lives");
$client->close;
$server->stop("INT");

# The logs are the worker's: what is renamed is nobody's when they are opened
# anew, and a crash is in the new one.
for my $count (0, 1) {
	my $logs = tempdir(CLEANUP => 1);
	my @names = ("$logs/requests", "$logs/errors");

	$server = start(mode => "fork", workers => $count, args => [
	    "--log=$names[0]", "--error-log=$names[1]"]);
	is($server->ask("/hello")->{status}, 200, "$count workers: served");
	rename($_, "$_.old") for @names;
	kill("USR1", $server->{pid});
	ok((wait_for { -e $names[0] && -e $names[1] }), "opened anew");
	is($server->ask("/crash")->{status}, 500, "a child crashes");
	ok((wait_for { slurp($names[1]) =~
	    /SIGSEGV.*in a handler.*ended with signal 11/s }),
	    "the new log has it, and in order") or diag(slurp($names[1]));
	like(slurp($names[1]), qr/crash_now|in target|tine/, "and where");
	unlike(slurp("$names[1].old"), qr/SIGSEGV/, "the old one has not");
	ok((wait_for { !grep { (readlink($_) // "") =~ m{^\Q$logs\E/.*\.old} }
	    map { glob("/proc/$_/fd/*") } $server->members }),
	    "no process keeps an old one");
	$server->stop;
}

# A line that post_fork writes, before there is a request.
$server = start(program => build("t/hooks"), mode => "fork", workers => 1,
    env => { SPEAKS => 1 });
ok($server->log_like(qr/post_fork speaks/), "post_fork can write to the log");
$server->stop;

# What worker_init has forked is not the forker's to wait for.
$server = start(program => build("t/hooks"), mode => "fork", workers => 1,
    env => { HELPER => 1 });
is($server->ask("/a")->{status}, 200, "request $_") for 1 .. 5;
my ($helper) = slurp($server->{out}) =~ /^helper (\d+)$/m;
select(undef, undef, undef, 0.3);
like(slurp("/proc/$helper/stat"), qr/^\d+ \(.*\) Z /s,
    "a helper's status is still there for the program");
$server->stop;

# Who came first is served first.
$server = start(mode => "fork", workers => 1, args => ["--max-children=1"]);
my @clients = map { my $one = $server->connection;
    $one->send(request("/sleep?ms=30"));
    select(undef, undef, undef, 0.005); $one } 1 .. 8;
my @order;
while (@order < @clients) {
	for my $i (0 .. $#clients) {
		next if grep { $_ == $i } @order;
		push @order, $i if !$clients[$i]->is_quiet(0.001);
	}
}
is(join(" ", @order), join(" ", 0 .. 7), "in the order of arrival");
$server->stop;

# Long replies to clients that hardly read: the handlers have ended.
$server = start(mode => "fork", workers => 1, args => ["--max-children=4"]);
@clients = map { my $one = $server->connection;
    $one->send(request("/big?bytes=10000000")); $one } 1 .. 20;
ok((wait_for { born($server) <= 4 && $server->ask("/pid")->{status} == 200 }
    20), "20 long replies to clients that do not read");
my $begun = time;
is($server->ask("/hello")->{status}, 200, "another request");
cmp_ok(time - $begun, "<", 1 * slow(), "is served at once");
is(scalar(grep { length($_->reply("GET", 60)->{body} // "") == 10000000 }
    @clients), 20, "and each has the whole of its reply");
$server->stop;
done_testing;
