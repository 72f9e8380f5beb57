# tine DIRECTORY: what is found, what is said of it, what is never sent.
use strict;
use warnings;
use Errno;
use File::Temp qw(tempdir);
use IO::Socket::UNIX;
use POSIX qw(mkfifo strftime);
use Socket qw(SOCK_STREAM);
use Test::More;
use Time::HiRes qw(time);
use Tine::Test;

my $tine = build("bin/tine");
my $top = tempdir(CLEANUP => 1);
my $root = "$top/root";
my $then = 784111777;		# Sun, 06 Nov 1994 08:49:37 GMT
my $date = "Sun, 06 Nov 1994 08:49:37 GMT";

sub put {
	my ($name, $bytes, $when) = @_;

	open(my $out, ">", $name) or die "$name: $!";
	binmode $out;
	print $out $bytes;
	close($out);
	utime($when, $when, $name) if $when;
}

# Bytes of which no two parts near each other are the same.
my $bytes = join("", map { sprintf("%07d\n", $_) } 1 .. 131_072) x 20;
sub bytes { return substr($bytes, 0, shift) }

my %large = ("small.bin" => 1000, "edge.bin" => 6144, "over.bin" => 6145,
    "middle.bin" => 100_000, "kept.bin" => 262_144, "long.bin" => 262_145,
    "huge.bin" => 10_000_000);

mkdir $_ for $root, "$root/sub", "$root/index", "$root/old", "$root/list",
    "$root/list/dir", "$top/secret", "$root/space d";
put("$root/a.txt", "hello\n", $then);
put("$root/empty", "", $then);
put("$root/page.HTML", "<p>page\n", $then);
put("$root/x.tar.gz", "zip\n", $then);
put("$root/noext", "?\n", $then);
put("$root/\\..\\a", "backslash\n", $then);
put("$root/a b%41+&.txt", "odd\n", $then);
put("$root/index/index.html", "<p>index\n", $then);
put("$root/old/index.htm", "<p>old\n", $then);
put("$root/sub/b.txt", "below\n", $then);
put("$root/closed.txt", "closed\n", $then);
put("$root/$_", bytes($large{$_}), $then) for keys %large;
put("$top/secret/key", "the secret\n");
put("$top/root2", "the secret\n");	# begins as the directory does
symlink("a.txt", "$root/link.txt");
symlink("../a.txt", "$root/sub/up.txt");
symlink("$root/a.txt", "$root/absolute.txt");
symlink("sub", "$root/linkdir");
symlink("../secret/key", "$root/out.txt");
symlink("$top/secret/key", "$root/out-absolute.txt");
symlink("$top/root2", "$root/beside.txt");
symlink("../secret", "$root/outdir");
symlink("/proc/self/root$top/secret/key", "$root/magic.txt");
symlink("loop.txt", "$root/loop.txt");
symlink("nowhere", "$root/dangling.txt");
mkfifo("$root/fifo", 0644);
my $socket = IO::Socket::UNIX->new(Type => SOCK_STREAM, Listen => 1,
    Local => "$root/socket");
my @names = ("B", "a", "Z<script>alert(1)<b>.txt", "\"'&.txt",
    "\xc3\xa9.txt", "\xff\x01.txt", "javascript:alert(1)", ".hidden", "%41",
    "new\nline");
put("$root/list/$_", "named\n", $then) for @names;
symlink("B", "$root/list/link");
symlink("dir", "$root/list/linkdir");
symlink($top, "$root/list/outdir");

sub serve {
	my ($mode, $workers, @args) = @_;

	return start(program => $tine, mode => $mode, workers => $workers,
	    args => [is_traced() ? "--no-sandbox" : (), @args, $root]);
}

sub encoded { return join "", map { sprintf "%%%02x", ord } split //, shift }

sub found {
	my ($server, $path, $body, $what) = @_;
	my $reply = $server->ask($path);

	is($reply->{status} . " " . ($reply->{body} // "cut"), "200 $body",
	    $what // $path);
	return $reply;
}

sub refused {
	my ($server, $path, $status, $what, %o) = @_;
	my $reply = $server->ask($path, %o);

	is($reply->{status}, $status, $what // $path);
	unlike($reply->{body} // "", qr/the secret|root:/, "and tells nothing");
	return $reply;
}

# ---------------------------------------------------------------- names

sub check_names {
	my $server = shift;

	found($server, "/a.txt", "hello\n");
	found($server, "/a.txt?query=/../x", "hello\n");
	found($server, "/./sub/../a.txt", "hello\n");
	found($server, "/%61%2etxt", "hello\n");
	found($server, "//a.txt", "hello\n");
	found($server, "/sub%2fb.txt", "below\n");
	found($server, "/empty", "");
	found($server, "/" . encoded("a b%41+&.txt"), "odd\n");
	found($server, "/%5c..%5ca", "backslash\n");
	found($server, "http://localhost/a.txt", "hello\n", "absolute form");
	# The second time from the cache.
	for my $name (sort keys %large, keys %large) {
		ok(($server->ask("/$name")->{body} // "") eq
		    bytes($large{$name}), $name);
	}

	refused($server, $_, 404) for "/none", "/a.txt/", "/a.txt/b",
	    "/sub/none", "/A.TXT", "/" . "x" x 300, "/" . "x/" x 3000,
	    "/%2561.txt";
	refused($server, $_, 400) for "/%", "/%4", "/%zz", "/a.txt%00",
	    "/%00", "/a%00.txt";
	my $up = "../" x 12;
	refused($server, $_, 404) for "/../secret/key", "/..%2fsecret/key",
	    "/%2e%2e/secret/key", "/%2e%2e%2fsecret%2fkey",
	    "/sub/../../secret/key", "/${up}etc/passwd",
	    "/" . encoded("${up}etc/passwd"), "/..%5csecret%5ckey",
	    "/..%5c..%5cetc%5cpasswd", "/....//secret/key",
	    "/sub/..;/../secret/key", "/%c0%ae%c0%ae/secret/key",
	    "/../root2", "/%252e%252e/secret/key", "//etc/passwd",
	    "/.//..//..//etc/passwd";
}

sub check_links {
	my $server = shift;

	found($server, "/$_", "hello\n") for "link.txt", "sub/up.txt",
	    "absolute.txt";
	found($server, "/linkdir/b.txt", "below\n");
	refused($server, "/$_", 404) for "out.txt", "out-absolute.txt",
	    "beside.txt", "outdir/key", "outdir/", "outdir", "magic.txt",
	    "loop.txt", "dangling.txt";
}

# Neither opened nor waited for.
sub check_special {
	my $server = shift;
	my $begun = time;

	refused($server, "/$_", 404) for "fifo", "socket", "fifo/";
	cmp_ok(time - $begun, "<", 5 * slow(), "without waiting");
}

# ------------------------------------------------------------- what is said

sub check_fields {
	my $server = shift;
	my $reply = $server->ask("/a.txt");

	is_deeply($reply->{order}, [qw(Server Date Content-Type
	    Content-Length Last-Modified ETag Accept-Ranges Connection)],
	    "the fields of a file");
	is($reply->{fields}{"last-modified"}, $date, "Last-Modified");
	is($reply->{fields}{"content-length"}, 6, "Content-Length");
	like($reply->{fields}{etag}, qr/^W?\/?"[!-~]+"$/, "ETag");
	my %types = ("a.txt" => "text/plain; charset=utf-8",
	    "page.HTML" => "text/html; charset=utf-8",
	    "x.tar.gz" => "application/gzip",
	    "noext" => "application/octet-stream",
	    "link.txt" => "text/plain; charset=utf-8",
	    "index/" => "text/html; charset=utf-8");
	is($server->ask("/$_")->{fields}{"content-type"}, $types{$_},
	    "type of $_") for sort keys %types;
	for my $path ("/a.txt", "/middle.bin", "/huge.bin", "/empty",
	    "/index/", "/list/", "/sub", "/none", "/%00") {
		my $get = $server->ask($path);
		my $head = $server->ask($path, method => "HEAD");

		delete $_->{fields}{date} for $get, $head;
		is_deeply([@{$head}{qw(status reason fields order)}],
		    [@{$get}{qw(status reason fields order)}],
		    "HEAD $path as GET");
		is($head->{body}, "", "and no body");
	}
}

sub check_methods {
	my $server = shift;

	for my $method (qw(POST PUT DELETE PATCH TRACE)) {
		my $reply = $server->ask("/a.txt", method => $method);

		is($reply->{status}, 405, $method);
		is($reply->{fields}{allow}, "GET, HEAD, OPTIONS", "and Allow");
	}
	for my $target ("/a.txt", "/", "/none", "*") {
		my $reply = $server->ask($target, method => "OPTIONS");

		is($reply->{status}, 200, "OPTIONS $target");
		is($reply->{fields}{allow}, "GET, HEAD, OPTIONS", "Allow");
		is($reply->{fields}{"content-length"}, 0, "and no body");
	}
	is($server->ask("/a.txt", method => "get")->{status}, 501, "get");
	is($server->ask("/a.txt", method => "FOO")->{status}, 501, "FOO");
	my $client = $server->connection;
	$client->send(request("/none"));
	is($client->reply->{status}, 404, "404");
	$client->send(request("/a.txt", method => "POST", body => "x" x 100));
	is($client->reply("POST")->{status}, 405, "405");
	$client->send(request("/a.txt"));
	is($client->reply->{body}, "hello\n", "on one connection");
}

# RFC 850's date of so many years and days from now.
sub two_digits {
	my ($years, $days) = @_;
	my @then = gmtime(time + $days * 86400);

	return strftime("Sunday, %d-", @then) . (qw(Jan Feb Mar Apr May Jun
	    Jul Aug Sep Oct Nov Dec))[$then[4]] . sprintf("-%02d %s GMT",
	    ($then[5] + $years) % 100, strftime("%H:%M:%S", @then));
}

sub check_conditions {
	my $server = shift;
	my $etag = $server->ask("/a.txt")->{fields}{etag};
	my $after = "Sun, 06 Nov 1994 08:49:38 GMT";
	my $before = "Sun, 06 Nov 1994 08:49:36 GMT";
	my @cases = (
	    [304, "If-None-Match: $etag"],
	    [304, "If-None-Match: \"x\", W/$etag"],
	    [304, "If-None-Match: *"],
	    [200, "If-None-Match: \"x\""],
	    [304, "If-Modified-Since: $date"],
	    [304, "If-Modified-Since: $after"],
	    [200, "If-Modified-Since: $before"],
	    [200, "If-Modified-Since: x"],
	    [200, "If-Modified-Since: $date", "If-None-Match: \"x\""],
	    [304, "If-Modified-Since: $before", "If-None-Match: $etag"],
	    [200, "If-Match: $etag"],
	    [200, "If-Match: *"],
	    [412, "If-Match: \"x\""],
	    [412, "If-Match: W/$etag"],
	    [200, "If-Unmodified-Since: $date"],
	    [412, "If-Unmodified-Since: $before"],
	    [200, "If-Unmodified-Since: $before", "If-Match: $etag"],
	    [412, "If-Match: \"x\"", "If-None-Match: $etag"],
	    [304, "If-Match: $etag", "If-None-Match: $etag"],
	    [304, "If-None-Match: $etag", "Range: bytes=0-1"],
	    [412, "If-Match: \"x\"", "Range: bytes=0-1"],
	    # Twice the same field is no date.
	    [200, "If-Modified-Since: $date", "If-Modified-Since: $date"],
	    [200, "If-Unmodified-Since: $before",
	    "If-Unmodified-Since: $before"],
	    # In a year of two digits that is 50 years away, or a little more.
	    [200, "If-Modified-Since: " . two_digits(50, 1)],
	    [304, "If-Modified-Since: " . two_digits(50, -1)]);

	for my $case (@cases) {
		my ($status, @fields) = @$case;

		for my $method (qw(GET HEAD)) {
			my $reply = $server->ask("/a.txt", method => $method,
			    fields => \@fields);

			is($reply->{status}, $status, "$method: @fields");
			next unless $status == 304;
			is($reply->{fields}{etag}, $etag, "with its tag");
			is($reply->{fields}{"content-type"}, undef,
			    "and no type");
		}
	}
	is($server->ask("/none", fields => ["If-Match: \"x\""])->{status},
	    404, "of nothing there is no version");
	# A listing has neither tag nor date.
	my %listing = ("If-None-Match: *" => 304, "If-None-Match: \"x\"" => 200,
	    "If-Match: *" => 200, "If-Match: \"x\"" => 412,
	    "If-Modified-Since: $after" => 200,
	    "If-Unmodified-Since: $before" => 200);
	for my $field (sort keys %listing) {
		is($server->ask("/list/", fields => [$field])->{status},
		    $listing{$field}, "a listing: $field");
	}
}

# ------------------------------------------------------------------ ranges

# The parts of a multipart/byteranges body as "first-last" => bytes.
sub parts {
	my $reply = shift;
	my ($boundary) = ($reply->{fields}{"content-type"} // "") =~
	    m{^multipart/byteranges; boundary=([0-9a-f]+)$} or return {};
	my %parts;

	return {} unless ($reply->{body} // "") =~
	    /\r\n--$boundary--\r\n\z/;
	for (split /\r\n--$boundary(?:--)?\r\n/, $reply->{body}) {
		next if $_ eq "";
		my ($head, $data) = /^(.*?)\r\n\r\n(.*)$/s or return {};
		my ($range) = $head =~ m{^Content-Range: bytes (\S+)/\d+$}m
		    or return {};
		return {} unless $head =~ /^Content-Type: \S/m;
		$parts{$range} = $data;
	}
	return \%parts;
}

sub check_range {
	my ($server, $name, $range, @wanted) = @_;
	my $all = bytes($large{$name});
	my $reply = $server->ask("/$name", fields => ["Range: $range"]);
	my %wanted = map {
		my ($from, $to) = split /-/;
		($_ => substr($all, $from, $to - $from + 1))
	} @wanted;

	is($reply->{status}, 206, "$name: $range");
	if (@wanted > 1) {
		is_deeply(parts($reply), \%wanted, "in its parts");
		return;
	}
	is($reply->{fields}{"content-range"}, "bytes $wanted[0]/" .
	    length $all, "its place");
	ok(($reply->{body} // "") eq $wanted{$wanted[0]}, "its bytes");
}

sub check_ranges {
	my $server = shift;

	for my $name (qw(small.bin middle.bin long.bin)) {
		my $last = $large{$name} - 1;

		check_range($server, $name, "bytes=0-0", "0-0");
		check_range($server, $name, "bytes=500-", "500-$last");
		check_range($server, $name, "bytes=-1", "$last-$last");
		check_range($server, $name, "bytes=-9999999", "0-$last");
		check_range($server, $name, "bytes=10-9999999", "10-$last");
		check_range($server, $name, "bytes=0-499,400-600", "0-600");
		check_range($server, $name, "bytes=700-799,0-9,-5",
		    "700-799", "0-9", ($last - 4) . "-$last");
	}
	for my $range ("bytes=9-1", "bytes=x", "items=0-1", "bytes=",
	    "bytes=" . join(",", ("0-0") x 17)) {
		my $reply = $server->ask("/a.txt",
		    fields => ["Range: $range"]);

		is("$reply->{status} $reply->{body}", "200 hello\n",
		    "ignored: " . substr($range, 0, 20));
	}
	is($server->ask("/a.txt", fields => ["Range: bytes=0-1",
	    "Range: bytes=0-1"])->{status}, 200, "two ranges are none");
	for my $range ("bytes=6-", "bytes=-0", "bytes=99-100,200-") {
		my $reply = $server->ask("/a.txt",
		    fields => ["Range: $range"]);

		is($reply->{status}, 416, $range);
		is($reply->{fields}{"content-range"}, "bytes */6",
		    "says how long it is");
	}
	my $reply = $server->ask("/a.txt", method => "HEAD",
	    fields => ["Range: bytes=0-0"]);
	is($reply->{status}, 200, "only for GET");
	my $etag = $server->ask("/a.txt")->{fields}{etag};
	my %if_range = ($etag => 206, $date => 206, "\"x\"" => 200,
	    "W/$etag" => 200, "Sun, 06 Nov 1994 08:49:36 GMT" => 200,
	    "x" => 200);
	for my $value (sort keys %if_range) {
		is($server->ask("/a.txt", fields => ["Range: bytes=0-0",
		    "If-Range: $value"])->{status}, $if_range{$value},
		    "If-Range: $value");
	}
	is($server->ask("/a.txt", fields => ["Range: bytes=0-0",
	    "If-Range: $etag", "If-Range: $etag"])->{status}, 200,
	    "two If-Range are none");
}

# -------------------------------------------------------------- directories

sub check_directories {
	my $server = shift;

	found($server, "/index/", "<p>index\n");
	found($server, "/index/", "<p>index\n");
	found($server, "/old/", "<p>old\n");
	my %redirects = ("/sub" => "/sub/", "/sub?a=b&c" => "/sub/?a=b&c",
	    "//sub" => "/sub/", "/%2fsub" => "/sub/", "/.//sub" => "/sub/",
	    "/space%20d" => "/space%20d/", "/%5c/../sub" => "/sub/",
	    "http://evil.example/sub" => "/sub/", "/index" => "/index/");
	for my $path (sort keys %redirects) {
		my $reply = $server->ask($path);

		is($reply->{status}, 301, $path);
		is($reply->{fields}{location}, $redirects{$path},
		    "and where to");
		is($reply->{body}, "", "without a body");
	}
	my $reply = $server->ask("/list/?q=%3Cb%3E");
	my $page = $reply->{body};
	is($reply->{status}, 200, "a listing");
	is($reply->{fields}{"content-type"}, "text/html; charset=utf-8",
	    "its type");
	like($reply->{fields}{"content-security-policy"},
	    qr/default-src 'none'/, "no script runs in it");
	like($page, qr{<title>Directory listing for /list/</title>}, "title");
	unlike($page, qr/<script|<b>/, "names are no markup");
	my @links = $page =~ /<a href="([^"]*)">/g;
	is_deeply(\@links, [map {
		s/([^A-Za-z0-9._~\/-])/sprintf "%%%02X", ord $1/ger
	} sort { lc $a cmp lc $b } @names, "dir/", "link", "linkdir/",
	    "outdir"], "links in order, encoded");
	like($page, qr{>linkdir@</a>}, "a link to a directory");
	like($page, qr{>outdir@</a>}, "one that leads outside");
	for my $link (grep { !/dir/ } @links) {
		is($server->ask("/list/$link")->{body}, "named\n",
		    "link $link");
	}
	like($server->ask("/")->{body}, qr/href="sub\/"/, "the root");
}

# ------------------------------------------------------------------ changes

sub check_changes {
	my $server = shift;
	my $client = $server->connection;
	my ($last, $good) = ("", 0);

	for my $i (1 .. 30) {
		put("$root/changing.txt", "version $i\n", $then);
		$client->send(request("/changing.txt"));
		$good++ if ($client->reply->{body} // "") eq "version $i\n";
	}
	is($good, 30, "each version is seen at once");
	for my $i (1 .. 10) {
		put("$root/new", "another $i\n", $then);
		rename("$root/new", "$root/changing.txt");
		$client->send(request("/changing.txt"));
		$good++ if ($client->reply->{body} // "") eq "another $i\n";
	}
	is($good, 40, "and each that takes its place");
	unlink("$root/changing.txt");
	$client->send(request("/changing.txt"));
	is($client->reply->{status}, 404, "and its end");
	put("$root/old/index.html", "<p>new\n", $then);
	found($server, "/old/", "<p>new\n", "a better index");
	unlink("$root/old/index.html");
	found($server, "/old/", "<p>old\n", "and without it");
}

sub check_closed {
	my $server = shift;

	SKIP: {
		skip "root may read all", 2 if $> == 0;
		chmod(0, "$root/closed.txt");
		refused($server, "/closed.txt", 404);
		chmod(0644, "$root/closed.txt");
	}
}

each_mode {
	my ($mode, $workers) = @_;
	my $server = serve($mode, $workers);

	check_names($server);
	check_links($server);
	check_special($server);
	check_fields($server);
	check_methods($server);
	check_conditions($server);
	check_ranges($server);
	check_directories($server);
	check_changes($server);
	check_closed($server);
	$server->stop;
} workers => [0, 2];

# A file that becomes shorter while it is sent: the client and the log see it.
each_mode {
	my ($mode, $workers) = @_;
	my $server = start(program => $tine, mode => $mode,
	    workers => $workers, quiet => qr/became shorter/,
	    args => [is_traced() ? "--no-sandbox" : (), $root]);
	my $name = "$root/shrinking.bin";

	# What sendfile(2) has put into a socket's buffer is still the file's.
	for my $bytes (20_000_000, $mode eq "fork" ? () : (200_000)) {
		put($name, bytes($bytes), $then);
		my $client = $server->connection;
		my $other = $server->connection;

		$client->send(request("/shrinking.bin"));
		$client->line(time + 10 * slow());
		truncate($name, $bytes / 2);
		utime($then, $then + 1, $name);
		$other->send(request("/shrinking.bin"));
		is(length($other->reply->{body} // ""), $bytes / 2,
		    "a new request gets what is there");
		$client->{buffer} = "HTTP/1.1 200 OK\r\n" . $client->{buffer};
		my $reply = $client->reply("GET", 20);
		if ($bytes > 1_000_000) {
			is($reply->{body}, undef, "$bytes bytes: it was cut");
			isnt($reply->{trouble}, "deadline", "at once");
			ok($server->log_like(qr/became\ shorter.*\ \d+\ bytes
			    .*GET\ \/shrinking\.bin/x), "the log names it");
		} else {
			ok(!defined $reply->{body} ||
			    $reply->{body} eq bytes($bytes),
			    "$bytes bytes: cut, or as it was");
		}
	}
	# One that is deleted or replaced is sent to its end.
	put($name, bytes(20_000_000), $then);
	my $client = $server->connection;
	$client->send(request("/shrinking.bin"));
	$client->line(time + 10 * slow());
	unlink($name);
	put($name, "another\n", $then);
	found($server, "/shrinking.bin", "another\n", "what is there now");
	$client->{buffer} = "HTTP/1.1 200 OK\r\n" . $client->{buffer};
	ok(($client->reply("GET", 30)->{body} // "") eq bytes(20_000_000),
	    "and what was asked for");
	unlink($name);
	$server->stop;
} workers => [0, 1];

# A client that reads slowly holds nobody up.
each_mode {
	my ($mode, $workers) = @_;
	my $server = serve($mode, $workers);
	my @slow = map { $server->connection } 1 .. 8;

	$_->send(request("/huge.bin")) for @slow;
	my $begun = time;
	found($server, "/a.txt", "hello\n") for 1 .. 5;
	cmp_ok(time - $begun, "<", 3 * slow(), "others are served");
	ok(($_->reply("GET", 30)->{body} // "") eq bytes(10_000_000),
	    "and it gets all") for @slow[0, 7];
	@slow = ();
	$server->stop;
} workers => [1];

# Many files, and few descriptors.
{
	mkdir "$root/many";
	put("$root/many/$_.bin", bytes(262_200), $then) for 1 .. 60;
	my $server = start(program => $tine, mode => "thread", workers => 1,
	    nofile => 96, args => [$root], quiet => qr/cannot open the file/);
	my @good = grep {
		length($server->ask("/many/$_.bin")->{body} // "") == 262_200
	} 1 .. 60, 1 .. 60;
	is(scalar @good, 120, "each of 60 files with few descriptors");
	my ($worker) = $server->workers_of;
	cmp_ok(descriptors_of($worker), "<", 60, "few are kept");
	$server->stop;
	unlink(glob("$root/many/*"));
}

# Options.
{
	my $server = serve("single", 1, "--listing=off",
	    "--default-type=text/x-none", "--follow-symlinks=on",
	    "--file-cache=0");
	refused($server, "/list/", 404, "no listing");
	is($server->ask("/noext")->{fields}{"content-type"},
	    "text/x-none; charset=utf-8", "another type by default");
	found($server, "/out.txt", "the secret\n", "links may lead outside");
	found($server, "/outdir/key", "the secret\n", "directories too");
	ok(($server->ask("/$_")->{body} // "") eq bytes($large{$_}),
	    "$_, not kept") for sort keys %large;
	$server->stop;

	put("$top/tine.conf", "directory $root\nbind 127.0.0.1:0\n");
	$server = start(program => $tine, bind => [],
	    args => ["--config=$top/tine.conf"]);
	found($server, "/a.txt", "hello\n", "a directory of tine.conf");
	$server->stop;
	$server = start(program => $tine, args => ["--chdir=$root"]);
	found($server, "/a.txt", "hello\n", "the directory it works in");
	$server->stop;
	my ($status, $text) = run_command($tine, "--test", $root);
	is("$status $text", "0 tine: the options and the directory are good\n",
	    "--test");
	($status, $text) = run_command($tine, "--test", "$root/missing");
	is($status, 66, "--test of what is not there");
}

# A reload follows a link that was turned to another release.
{
	mkdir "$top/one";
	mkdir "$top/two";
	put("$top/one/v", "one\n", $then);
	put("$top/two/v", "two\n", $then);
	symlink("one", "$top/current");
	my $server = start(program => $tine, workers => 2,
	    args => ["$top/current"], quiet => qr/reload failed/);
	found($server, "/v", "one\n");
	symlink("two", "$top/next");
	rename("$top/next", "$top/current");
	kill("HUP", $server->{pid});
	ok($server->log_like(qr/reloaded: 2 workers/), "reloaded");
	found($server, "/v", "two\n", "the next release");
	unlink("$top/current");
	kill("HUP", $server->{pid});
	ok($server->log_like(qr/reload failed: .*No such file/),
	    "a reload to nothing is refused");
	found($server, "/v", "two\n", "and the one before served on");
	$server->stop;
}

# With a root of its own and another user.
SKIP: {
	skip "not root", 3 if $> != 0;
	# It knows no openat2(2), for which there is /proc elsewhere.
	skip "valgrind", 3 if $ENV{TINE_VALGRIND};
	chmod(0755, $top);
	mkdir "$top/cell";
	for my $mode (@modes) {
		my $server = serve($mode, 1, "--chroot=$top/cell",
		    "--user=nobody");
		found($server, "/a.txt", "hello\n", "$mode: in a chroot");
		is($server->ask("/middle.bin")->{body}, bytes(100_000),
		    "a longer one");
		$server->stop;
	}
}

# A handler of one's own that leaves the rest to the files.
SKIP: {
	put("$top/own.c", <<'END');
#include <string.h>
#include <tine.h>

static void
get(struct tine_request *req)
{
	if (strncmp(req->real_path, "/api/", 5) == 0)
		tine_printf(req, "own %s\n", req->query);
	else
		tine_files_get(req);
}

const struct tine_http_handler tine_http = { .do_GET = get, .do_HEAD = get };
END
	my ($failed, $why) = run_command($ENV{CC} // "cc", "-shared", "-fPIC",
	    "-I" . source("lib"), "-o", "$top/own.so", "$top/own.c");
	skip "no compiler: $why", 3 if $failed ||
	    ($ENV{TINE_SANITIZER} // "no") ne "no";
	for my $mode (@modes) {
		my $server = start(program => $tine, mode => $mode,
		    args => ["--directory=$root", "$top/own.so"]);
		found($server, "/api/?x", "own x\n", "$mode: its own");
		found($server, "/a.txt", "hello\n", "and a file");
		refused($server, "/a.txt", 501, "a method it has not",
		    method => "POST");
		$server->stop;
	}
}

# The cases of HTTP that need no echo.  Some want a page of any path, or by any
# method; that there is none is the right answer here.
# They have deadlines of their own, which are not valgrind's.
for my $mode ($ENV{TINE_VALGRIND} ? () : @modes) {
	my $server = serve($mode, 2);
	my ($status, $text) = run_command("python3", source("t/vectors/run"),
	    "--no-echo", "--deadline", 3 * slow(), "127.0.0.1",
	    $server->{port}, glob(source("t/vectors/given/*.toml")),
	    glob(source("t/vectors/*.toml")));
	my ($passed) = $text =~ /^(\d+) passed, \d+ failed/m;
	my @failed = grep {
		!/^\S+ .*\n +got (\d+, )*40[45]\b/ && !/^head-type-as-get /
	} $text =~ /^FAIL (\S+ .*\n.*\n)/mg;

	is_deeply(\@failed, [], "$mode: " . ($passed // 0) . " cases of HTTP");
	cmp_ok($passed // 0, ">=", 700, "all of them");
	$server->stop;
}

close($socket);
done_testing;
