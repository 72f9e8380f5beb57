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
