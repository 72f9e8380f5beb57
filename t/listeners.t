# Where it listens: ports, families, Unix sockets and their files.
use strict;
use warnings;
use File::Temp qw(tempdir);
use IO::Socket::UNIX;
use Test::More;
use Tine::Test;

my $dir = tempdir(CLEANUP => 1);

sub over_unix {
	my ($server, $path) = @_;
	my $client = $server->connection(unix => $path) or return 0;

	$client->send(request("/hello", close => 1));
	return $client->reply->{status};
}

each_mode {
	my ($mode, $workers) = @_;
	my $path = "$dir/socket.$mode.$workers";
	my $dead = IO::Socket::UNIX->new(Local => $path, Listen => 1);
	close($dead);			# a stale file stays
	my $server = start(mode => $mode, workers => $workers,
	    bind => ["127.0.0.1:0", "unix:$path", "localhost:0"]);

	cmp_ok(scalar @{$server->{addresses}}, ">=", 3, "all are said");
	is(over_unix($server, $path), 200, "a stale socket file is replaced");
	ok($server->log_like(qr/^unix:\d+ - - .*"GET \/hello/m),
	    "the peer is in the log");
	for my $address (grep { /^http/ } @{$server->{addresses}}) {
		my ($status, $text) = run_command("curl", "-s", "-g",
		    "--max-time", 10, "${address}hello");
		is($text, "Hello, world!", $address);
	}
	my ($status, $text) = run_command("timeout", 30, program(),
	    "--bind=unix:$path");
	is($status, 69, "a live socket file is not replaced");
	is(over_unix($server, $path), 200, "it still answers");
	$server->stop;
	ok(!-e $path, "the socket file is removed");
} workers => [0, 2];

# One family alone, and several ports.
my $six = start(bind => ["[::1]:0", "127.0.0.1:0", "127.0.0.1:0"]);
is(scalar @{$six->{addresses}}, 3, "three addresses are said");
like($six->{addresses}[0], qr{^http://\[::1\]:\d+/$},
    "an IPv6 address has its brackets");
my %ports = map { $_ => 1 } @{$six->{addresses}};
is(scalar keys %ports, 3, "each with a port of its own");
for my $address (@{$six->{addresses}}) {
	my ($status, $text) = run_command("curl", "-s", "-g", "--max-time",
	    10, "${address}hello");
	is($text, "Hello, world!", $address);
}
ok($six->log_like(qr/^::1 - - \[/m), "an IPv6 client is in the log");
my ($port) = $six->{addresses}[0] =~ /:(\d+)\/$/;
my ($taken, $why) = run_command("timeout", 30, program(),
    "--bind=127.0.0.1:0", "--bind=[::1]:$port");
is($taken, 69, "a port that is taken: 69");
like($why, qr/cannot listen on \[::1\]:$port: Address already in use/,
    "named");
$six->stop;

# What is no socket is not touched, nor what cannot be one.
open(my $file, ">", "$dir/file") or die;
print $file "precious";
close($file);
for my $path ("$dir/file", $dir, "$dir/none/socket", "$dir/" . "x" x 200) {
	my ($status, $text) = run_command("timeout", 30, program(),
	    "--bind=unix:$path");
	isnt($status, 0, "no socket file at such a place: $status");
	isnt($status, 124, "at once");
	like($text, qr/^[^\n]*\Q$path\E[^\n]*\n\z/, "one line names it");
}
is(slurp("$dir/file"), "precious", "the file is as it was");

# A socket file that someone has replaced is no longer ours to remove.
my $moved = start(bind => ["127.0.0.1:0", "unix:$dir/moved"]);
unlink("$dir/moved");
my $new = IO::Socket::UNIX->new(Local => "$dir/moved", Listen => 1);
$moved->stop;
ok(-S "$dir/moved", "a socket file of another server stays");

my $any = start(bind => [":0"]);
for my $host ("127.0.0.1", "[::1]") {
	my ($port) = $any->{addresses}[0] =~ /:(\d+)\/$/;
	my ($status, $text) = run_command("curl", "-s", "-g", "--max-time",
	    10, "http://$host:$port/hello");
	is($text, "Hello, world!", "both families by one socket: $host");
}
$any->log_like(qr/GET/);
like($any->err, qr/^127\.0\.0\.1 - -/m, "a mapped address is shown plainly");
$any->stop;
done_testing;
