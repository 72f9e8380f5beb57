# The logs: Python's format, escaped, complete, also after a kill.
use strict;
use warnings;
use File::Temp qw(tempdir);
use Test::More;
use Tine::Test;

each_mode {
	my ($mode, $workers) = @_;
	my $dir = tempdir(CLEANUP => 1);
	my $server = start(mode => $mode, workers => $workers,
	    args => ["--log=$dir/log", "--error-log=$dir/error"]);

	$server->ask("/hello?n=$_") for 1 .. 20;
	reply_of($server, "GET /a\\b\"c HTTP/1.1\r\nHost: a\r\n" .
	    "Connection: close\r\n\r\n");
	reply_of($server, "G\x1b[31mT / HTTP/1.1\r\n\r\n");
	$server->ask("/error?code=404");
	$server->ask("/hello", method => "HEAD");
	reply_of($server, "F'O /x HTTP/1.1\r\nHost: a\r\n" .
	    "Connection: close\r\n\r\n");
	$server->stop;
	my @lines = split /\n/, slurp("$dir/log");
	my $date = qr{\d\d/\w{3}/\d{4} \d\d:\d\d:\d\d};
	is(scalar(grep { m{^127\.0\.0\.1 - - \[$date\] "GET /hello\?n=\d+ HTTP/1\.1" 200 13$} }
	    @lines), 20, "20 lines");
	is(scalar(grep { m{"GET /a\\\\b"c HTTP/1\.1" 200} } @lines), 1,
	    "a backslash is doubled");
	is(scalar(grep { m{"HEAD /hello HTTP/1\.1" 200 -$} } @lines), 1,
	    "a HEAD has no bytes");
	is(scalar(grep { m{"G\\x1b\[31mT / HTTP/1\.1" 400} } @lines), 1,
	    "control characters are escaped");
	ok(!grep { /[\x00-\x1f\x7f-\x9f]/ } @lines, "none is left");
	my ($code) = grep { $lines[$_] =~ /code 404, message Not Found$/ }
	    0 .. $#lines;
	my ($line) = grep { $lines[$_] =~ m{"GET /error} } 0 .. $#lines;
	cmp_ok($code // 99, "<", $line // -1, "the error comes first");
	is(slurp("$dir/error"), "", "nothing in the error log");
	is($server->err, "", "nor on standard error");
};

my $dir = tempdir(CLEANUP => 1);
my $server = start(workers => 1, args => ["--log=$dir/log"],
    quiet => qr/worker 1/);
my $client = $server->connection;
# A line is made when its reply has gone: the 51st may not be there yet.
$client->send(request("/hello?n=$_")), $client->reply for 1 .. 51;
kill("KILL", $server->workers_of);
ok((wait_for { (() = slurp("$dir/log") =~ /\?n=/g) >= 50 } 3),
    "a killed worker's lines are not lost");
$server->stop;
done_testing;
