# The tutorial's pages: the same status, fields and lines, dates and versions
# aside, from a program and from a module.
use strict;
use warnings;
use Test::More;
use Tine::Test;

my $date = qr/\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d/;
my %pages = (
	get => [qr{^/?\?foo=bar}, "/?foo=bar", qr{\AHTTP/1\.0 200 OK\r
Server: BaseHTTP/0\.3 tine/[\d.]+\r
Date: $date GMT\r
\r
CLIENT VALUES:
client_address=\('127\.0\.0\.1', \d+\) \(127\.0\.0\.1\)
command=GET
path=/\?foo=bar
real path=/
query=foo=bar
request_version=HTTP/1\.1

SERVER VALUES:
server_version=BaseHTTP/0\.3
sys_version=tine/[\d.]+
protocol_version=HTTP/1\.0
\z}],
	errors => [undef, "/", qr{\AHTTP/1\.0 404 Not Found\r
Server: tine/[\d.]+\r
Date: $date GMT\r
Content-Type: text/html\r
Connection: close\r
\r
<head>
<title>Error response</title>
</head>
<body>
<h1>Error response</h1>
<p>Error code 404\.
<p>Message: Not Found\.
<p>Error code explanation: 404 = Nothing matches the given URI\.
</body>
\z}],
	send_header => [undef, "/", qr{\AHTTP/1\.0 200 OK\r
Server: tine/[\d.]+\r
Date: $date GMT\r
Last-Modified: $date -0000\r
\r
Response body
\z}],
);

sub curl {
	my ($server, $path) = @_;
	my ($status, $text) = run_command("curl", "-s", "-i", "--max-time", 20,
	    "http://127.0.0.1:$server->{port}$path");

	is($status, 0, "curl is content");
	return $text;
}

each_mode {
	my ($mode, $workers) = @_;

	for my $name (sort keys %pages) {
		my ($unused, $path, $wanted) = @{$pages{$name}};
		my $server = start(program => build("examples/$name"),
		    mode => $mode, workers => $workers);

		like(curl($server, $path), $wanted, $name);
		ok($server->log_like(
		    qr{^127\.0\.0\.1 - - \[\d\d/\w{3}/\d{4} \d\d:\d\d:\d\d\] "GET \Q$path\E HTTP/1\.1" \d+ \d+$}m),
		    "its line is in the log");
		like($server->err,
		    qr/code 404, message Not Found\n.*"GET/s,
		    "an error's line comes first") if $name eq "errors";
		$server->stop;
	}
	my $server = start(program => build("bin/tine"), mode => $mode,
	    workers => $workers, args => [build("examples/get.so")]);
	like(curl($server, "/?foo=bar"), $pages{get}[2], "get as a module");
	$server->stop;

	$server = start(program => build("examples/threads"), mode => $mode,
	    workers => $workers);
	my @names = map { (curl($server, "/") =~ /\r\n\r\n(.*)\n\z/)[0] } 1 .. 3;
	if ($mode eq "single") {
		is_deeply(\@names, [("MainThread") x 3], "MainThread");
	} elsif ($mode eq "thread" && $workers < 2) {
		is_deeply(\@names, [map { "Thread-$_" } 1 .. 3],
		    "Thread-1, Thread-2, Thread-3");
	} elsif ($mode eq "thread") {
		is(scalar(grep { /^Thread-[1-3]$/ } @names), 3, "Thread-N");
	} else {
		my %different = map { $_ => 1 } @names;
		is(scalar(grep { /^\d+$/ } keys %different), 3,
		    "three process ids");
	}
	$server->stop;
};
done_testing;
