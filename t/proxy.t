# --proxy-from: who connects, the header that a proxy begins with says.
use strict;
use warnings;
use File::Temp qw(tempdir);
use IO::Socket::INET;
use Socket qw(inet_aton inet_pton pack_sockaddr_in AF_INET6);
use Test::More;
use Time::HiRes qw(time sleep);
use Tine::Test;

my $dir = tempdir(CLEANUP => 1);
my $signature = "\r\n\r\n\0\r\nQUIT\n";

sub v1 {
	my ($address, $port) = @_;
	my $to = $address =~ /:/ ? "::1" : "192.0.2.254";
	return sprintf("PROXY TCP%d %s %s %d 80\r\n", $address =~ /:/ ? 6 : 4,
	    $address, $to, $port // 4000);
}

sub v2 {
	my ($address, $more) = @_;
	my $is_6 = $address =~ /:/;
	my $block = ($is_6 ? inet_pton(AF_INET6, $address) x 2
	    : inet_aton($address) x 2) . pack("nn", 4000, 80) . ($more // "");
	return $signature . pack("CCn", 0x21, $is_6 ? 0x21 : 0x11,
	    length $block) . $block;
}

sub local_v2 { return $signature . pack("CCn", 0x20, 0, 0) }
sub unix_v2 { return $signature . pack("CCn", 0x21, 0x31, 216) . "\0" x 216 }

# A connection that has begun with that header.
sub through {
	my ($server, $header, %o) = @_;
	my $client = $server->connection(%o);

	$client->send($header) if $header ne "";
	return $client;
}

# Whom the request log shows for the request of that path.
sub logged {
	my ($server, $path) = @_;
	my $seen;

	wait_for { ($seen) = $server->err =~
	    m{^(\S+) - - \[[^]]*\] "GET \Q$path\E }m } 5;
	return $seen;
}

# A stop need not wait for idle clients.
my @quick = ("--drain-idle=0.1");

my $count = 0;
sub client_of {
	my ($server, $header, %o) = @_;
	my $path = "/client" . ++$count;
	my $client = through($server, $header, %o);

	$client->send(request($path, close => 1));
	return "none" unless $client->reply->{status};
	return logged($server, $path) // "not logged";
}

# What the header says is the client's address.
each_mode {
	my ($mode, $workers) = @_;
	my $server = start(mode => $mode, workers => $workers,
	    args => [@quick, "--proxy-from=10.0.0.0/8,127.0.0.1"]);

	is(client_of($server, v1("192.0.2.1")), "192.0.2.1", "version 1");
	is(client_of($server, v1("2001:db8::1")), "2001:db8::1", "of IPv6");
	is(client_of($server, v1("::ffff:192.0.2.3")), "192.0.2.3", "mapped");
	is(client_of($server, "PROXY UNKNOWN\r\n"), "127.0.0.1", "UNKNOWN");
	is(client_of($server, v2("192.0.2.4")), "192.0.2.4", "version 2");
	is(client_of($server, v2("2001:db8::5")), "2001:db8::5", "of IPv6");
	is(client_of($server, v2("192.0.2.6", "\x04\0\x09" . "x" x 9)),
	    "192.0.2.6", "with more behind its addresses");
	is(client_of($server, v2("192.0.2.7", "\0" x 4300)), "192.0.2.7",
	    "with as much as may be");
	is(client_of($server, local_v2()), "127.0.0.1", "LOCAL");
	is(client_of($server, unix_v2()), "127.0.0.1", "of a Unix socket");

	# One byte at a time, requests right behind it, and one later.
	for my $header (v1("192.0.2.10"), v2("192.0.2.11")) {
		my $client = $server->connection;

		for my $byte (split //, $header . request("/hello")) {
			$client->send($byte);
			sleep(0.001);
		}
		is($client->reply->{status}, 200, "byte by byte");
		$client->send(request("/hello"));
		is($client->reply->{status}, 200, "and one more request");
	}
	my $client = through($server, v1("192.0.2.12") .
	    request("/first") . request("/second") . request("/third"));
	is(scalar(grep { $client->reply->{status} == 200 } 1 .. 3), 3,
	    "three requests at once");
	is(logged($server, "/third"), "192.0.2.12", "are all of that client");
	# Once is enough: the next one is no header any more.
	$client->send(v1("192.0.2.13"));
	is($client->reply->{status}, 400, "a second header is no request");
	$client = through($server, v1("192.0.2.14"));
	ok($client->is_quiet(0.1), "a header alone is not answered");
	$client->send(request("/late"));
	is($client->reply->{status}, 200, "the request that follows is");
	is(logged($server, "/late"), "192.0.2.14", "and it is the client's");
	$server->stop;
} workers => [0, 2];

# The handler, and the crash report.
each_mode {
	my ($mode) = @_;
	my $server = start(program => build("examples/get"), mode => $mode,
	    args => [@quick, "--proxy-from=any"]);
	my $client = through($server, v1("192.0.2.20", 1234) . request("/"));

	like($client->reply->{body}, qr/client_address=\('192\.0\.2\.20', 1234/,
	    "the handler sees address and port");
	$server->stop;
	$server = start(mode => $mode, args => [@quick, "--proxy-from=any"],
	    quiet => qr/crash|died|ended|in a row|signal/);
	through($server, v1("192.0.2.21") . request("/crash"))->reply;
	ok($server->log_like(qr/client 192\.0\.2\.21, request "GET \/crash/),
	    "the report of a crash names the client");
	$server->stop;
} workers => [1];

# A header that is none: no reply, and a line for the administrator.
each_mode {
	my ($mode, $workers) = @_;
	my $server = start(mode => $mode, workers => $workers,
	    args => [@quick, "--proxy-from=127.0.0.1"]);
	my @bad = (request("/"), "PROXY\r\n", "PROXY TCP4 1.2.3.4\r\n",
	    "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n" . request("/"),
	    "PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n", "PROXY UNKNOWN " .
	    "x" x 92 . "\r\n", "\x16\x03\x01", "\r\n\r\n\0\r\nQUIX",
	    "${signature}\x11\x11\0\0", "${signature}\x21\x11\0\x0b",
	    "${signature}\x21\x11\xff\xff");

	for my $header (@bad) {
		my $client = through($server, $header);

		(my $text = substr($header, 0, 40)) =~
		    s/([^\x20-\x7e])/sprintf("\\x%02x", ord($1))/ge;
		ok($client->is_closed, "closed without a word: $text");
	}
	ok($server->log_like(qr/WARNING the PROXY header of 127\.0\.0\.1, port \d+, is missing: its connection is closed \(see --proxy-from\)/),
	    "and the log says why");
	my $lines = () = $server->err =~ /the PROXY header of/g;
	cmp_ok($lines, "<", @bad, "with fewer lines than that ($lines)");
	unlike($server->err, qr/"(?:GET|PROXY)/, "none was a request");
	# Who only looks whether the port is open is not worth a line.
	$_->close for map { $server->connection } 1 .. 3;
	is(client_of($server, v1("192.0.2.30")), "192.0.2.30", "it goes on");
	is(scalar(() = $server->err =~ /the PROXY header of/g), $lines,
	    "a connection without a byte makes no line");
	$server->stop;
} workers => [0, 1];

# A header that ends early, or does not come.
each_mode {
	my ($mode) = @_;
	my $server = start(mode => $mode,
	    args => [@quick, "--proxy-from=127.0.0.1", "--header-timeout=0.4"]);
	my $client = through($server, "PROXY TCP4 1.2");

	$client->half_close;
	ok($client->is_closed, "half of one, and the end");
	ok($server->log_like(qr/127\.0\.0\.1, port \d+, is cut off/), "logged");
	my @late = (through($server, ""), through($server, "PROXY TCP4 1.2"),
	    through($server, substr(v2("192.0.2.31"), 0, 20)));
	is(scalar(grep { $_->is_closed } @late), 3, "late: closed, no 408");
	ok($server->log_like(qr/127\.0\.0\.1, port \d+, does not come/), "logged");
	my $begun = time;
	$client = through($server, v1("192.0.2.32"));
	sleep(0.6);
	$client->send(request("/hello"));
	is($client->reply->{status}, 200, "behind it --keep-alive counts");
	$server->stop;
} workers => [1];

# Who is no proxy is served as ever, and believed nothing.
each_mode {
	my ($mode) = @_;
	my $server = start(mode => $mode,
	    args => [@quick, "--proxy-from=10.0.0.0/8,::1,unix"]);

	is(client_of($server, ""), "127.0.0.1", "a client that is no proxy");
	my $reply = reply_of($server, v1("192.0.2.40") . request("/hello"));
	is($reply->{status}, 400, "its header is no request");
	$reply = reply_of($server, v2("192.0.2.40") . request("/hello"));
	is($reply->{status}, 400, "of either kind");
	$server->stop;
} workers => [1];

# Over a Unix socket, beside one that is none.
each_mode {
	my ($mode) = @_;
	my $path = "$dir/$mode.sock";
	my $server = start(mode => $mode, bind => ["127.0.0.1:0",
	    "unix:$path"], args => [@quick, "--proxy-from=unix"]);

	is(client_of($server, v1("192.0.2.50"), unix => $path), "192.0.2.50",
	    "Unix socket");
	is(client_of($server, local_v2(), unix => $path), "unix:$<",
	    "LOCAL there");
	is(client_of($server, ""), "127.0.0.1", "TCP is as it was");
	$server->stop;
} workers => [1];

# --max-per-client counts clients, not proxies.
each_mode {
	my ($mode, $workers) = @_;
	my $server = start(mode => $mode, workers => $workers,
	    args => [@quick, "--proxy-from=127.0.0.1", "--max-per-client=2"]);
	my @waiting = map { $server->connection } 1 .. 4;
	my @clients = map { through($server, v1("192.0.2.60")) } 1 .. 2;

	$_->send(request("/hello")) for @clients;
	is(scalar(grep { $_->reply->{status} == 200 } @clients), 2,
	    "two of one client, while four wait");
	my $third = through($server, v2("192.0.2.60") . request("/hello"));
	is($third->reply->{status}, 503, "a third is refused");
	ok($third->is_closed, "and closed");
	my @others = map { through($server, v1("192.0.2.$_") .
	    request("/hello")) } 61 .. 64;
	is(scalar(grep { $_->reply->{status} == 200 } @others), 4,
	    "other clients of that proxy are served");
	$clients[0]->close;
	ok((wait_for { my $client = through($server, v1("192.0.2.60") .
	    request("/hello", close => 1)); $client->reply->{status} == 200 }),
	    "when one goes, another is served");
	$server->stop;
} workers => [0, 1];

# A worker that leaves hands them over, whatever has come of the header.
each_mode {
	my ($mode) = @_;
	my $server = start(mode => $mode, workers => 2, program =>
	    binary("t/target"), args => [@quick, "--proxy-from=127.0.0.1",
	    "--header-timeout=0"], env => {
	    LD_LIBRARY_PATH => build(".libs") },
	    quiet => qr/crash|died|ended|in a row|signal/);
	my %about = (HUP => "reload", USR2 => "upgrade");

	for my $signal ("HUP", "USR2") {
		my @headers = (v1("192.0.2.70"), v2("192.0.2.71"));
		my @clients = map {
			my $header = $_;
			map { [through($server, substr($header, 0, $_)),
			    substr($header, $_)] } 0, 1, 6, 20,
			    length($header) - 1, length $header;
		} @headers;

		ok($server->tell($signal, qr/reloaded: 2 workers/),
		    $about{$signal});
		for my $client (@clients) {
			$client->[0]->send($client->[1] .
			    request("/$signal"));
		}
		is(scalar(grep { $_->[0]->reply->{status} == 200 } @clients),
		    scalar @clients, "all are answered");
		like(logged($server, "/$signal") // "", qr/^192\.0\.2\.7[01]$/,
		    "with their addresses");
	}
	# Of a worker that dies, too.
	my $client = through($server, substr(v1("192.0.2.72"), 0, 9));
	ok($client->is_quiet(0.1), "half a header");
	through($server, v1("192.0.2.73") . request("/crash"))->reply
	    for 1 .. 2;
	$client->send(substr(v1("192.0.2.72"), 9) . request("/after"));
	is($client->reply->{status}, 200, "outlives a crash");
	is(logged($server, "/after"), "192.0.2.72", "with its address");
	$server->stop;
} workers => [2];

# A reload can change who is believed; a connection keeps what it was taken as.
my $config = "$dir/tine.conf";
spew($config, "proxy-from 127.0.0.1\n");
my $server = start(args => [@quick, "--config=$config"], workers => 2,
    quiet => qr/reload failed/);
my $old = through($server, "PROXY TCP4 192.0.2.80 ");
ok($old->is_quiet(0.1), "half a header");
spew($config, "proxy-from 10.0.0.1\n");
ok($server->tell("HUP", qr/reloaded: 2 workers/), "others are the proxies");
is(client_of($server, ""), "127.0.0.1", "so this one is none");
$old->send("192.0.2.1 1 2\r\n" . request("/old"));
is($old->reply->{status}, 200, "what was begun is taken to its end");
spew($config, "proxy-from 10.0.0.1/8\n");
ok($server->tell("HUP", qr/reload failed: .*tine\.conf.*10\.0\.0\.1\/8/),
    "a list that is wrong is refused");
is(client_of($server, ""), "127.0.0.1", "and nothing changes");
$server->stop;

# A stop waits for none of them, and --max-connections counts them.
each_mode {
	my ($mode, $workers) = @_;
	my $one = start(mode => $mode, workers => $workers,
	    args => [@quick, "--proxy-from=127.0.0.1", "--header-timeout=0",
	    "--graceful-timeout=0",
	    "--max-connections=4"]);
	my @waiting = map { through($one, "PROXY ") } 1 .. 4;

	ok($_->is_quiet(0.05), "it waits") for @waiting;
	is(through($one, v1("192.0.2.90") . request("/"))->reply->{status},
	    503, "no room for one more");
	$one->stop;
	ok($_->is_closed, "closed by the stop") for @waiting;
} workers => [0, 1];

# The real one.
sub haproxy_config {
	my ($http, @ports) = @_;
	return <<END;
global
	maxconn 100
defaults
	mode tcp
	timeout connect 10s
	timeout client 30s
	timeout server 30s
listen one
	bind 127.0.0.1:$ports[0]
	server s 127.0.0.1:$http send-proxy
listen two
	bind 127.0.0.1:$ports[1]
	server s 127.0.0.1:$http send-proxy-v2
listen crc
	bind 127.0.0.1:$ports[2]
	server s 127.0.0.1:$http send-proxy-v2 proxy-v2-options crc32c,unique-id
listen check
	bind 127.0.0.1:$ports[3]
	option httpchk
	http-check send meth GET uri /checked ver HTTP/1.1 hdr Host a
	server s 127.0.0.1:$http send-proxy-v2 check check-send-proxy inter 100
END
}

sub free_port {
	my $socket = IO::Socket::INET->new(LocalAddr => "127.0.0.1",
	    Listen => 1) or die;
	return $socket->sockport;
}

SKIP: {
	my ($haproxy) = grep { -x } map { "$_/haproxy" }
	    split(/:/, $ENV{PATH}), "/usr/sbin", "/usr/local/sbin";
	skip("no HAProxy here", 1) unless $haproxy;
	my $behind = start(workers => 2, args => [@quick, "--proxy-from=127.0.0.1"]);
	my @ports = map { free_port() } 1 .. 4;

	spew("$dir/haproxy.cfg", haproxy_config($behind->{port}, @ports));
	my $pid = fork // die "fork: $!";
	if ($pid == 0) {
		open(STDOUT, ">", "$dir/haproxy.out");
		open(STDERR, ">&", \*STDOUT);
		exec($haproxy, "-db", "-f", "$dir/haproxy.cfg") or
		    POSIX::_exit(127);
	}
	for my $i (0 .. 3) {
		my $socket;

		wait_for { $socket = IO::Socket::INET->new(
		    PeerAddr => "127.0.0.1", PeerPort => $ports[$i],
		    LocalAddr => "127.0.0." . (50 + $i)) };
		ok($socket, "HAProxy listens") or
		    diag(slurp("$dir/haproxy.out")), next;
		my $client = bless { socket => $socket, buffer => "" },
		    "Tine::Client";
		$client->send(request("/haproxy$i"));
		is($client->reply->{status}, 200, "served through HAProxy");
		is(logged($behind, "/haproxy$i"), "127.0.0." . (50 + $i),
		    "by the client's address");
	}
	is(logged($behind, "/checked"), "127.0.0.1", "its checks are its own");
	kill("TERM", $pid);
	waitpid($pid, 0);
	$behind->stop;
}
done_testing;
