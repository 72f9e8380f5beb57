# --auth-file: only who has a name and its password may ask.
use strict;
use warnings;
use File::Temp qw(tempdir);
use MIME::Base64 qw(encode_base64);
use Test::More;
use Time::HiRes qw(time);
use Tine::Test;

my $dir = tempdir(CLEANUP => 1);
my @quick = ("--drain-idle=0.1");
my $salt = "abcdefghijklmnopqrstuu";

# Their hashes, of each kind; crypt(3) is the system's.
my %users = (alice => ["wonder:land", "\$2y\$04\$$salt"],
    bob => ["builder", "\$6\$rounds=1000\$ab"], eve => ["", "\$5\$ab"],
    "J\xc3\xb6rg \"K\"" => ["p\xc3\xa4ss", "\$y\$j9T\$abcdefghijklmnop"]);
sub line { return "$_[0]:" . crypt($_[1], $_[2]) . "\n" }
my $file = join("", "# who\n\n", map { line($_, @{$users{$_}}) }
    sort keys %users);

sub write_users {
	my ($name, $text) = @_;

	spew("$dir/$name", $text);
	chmod(0600, "$dir/$name");
	return "$dir/$name";
}
write_users("users", $file);

sub basic { return "Authorization: Basic " . encode_base64("$_[0]:$_[1]", "") }

sub with {
	my ($path, $name, $password, %o) = @_;
	return request($path, %o, fields => [basic($name, $password),
	    @{$o{fields} // []}]);
}

sub serve {
	my %o = @_;
	return start(%o, args => [@quick, "--auth-file=$dir/users",
	    @{$o{args} // []}]);
}

each_mode {
	my ($mode, $workers) = @_;
	my $server = serve(mode => $mode, workers => $workers);
	my $client = $server->connection;
	my $reply;

	# Nobody, somebody, and nobody again, on one connection.
	$client->send(request("/hello"));
	$reply = $client->reply;
	is($reply->{status}, 401, "without a name: 401");
	is($reply->{fields}{"www-authenticate"},
	    "Basic realm=\"tine\", charset=\"UTF-8\"", "and how to log in");
	like($reply->{body}, qr/<p>Error code 401\./, "with the usual page");
	$client->send(with("/user", "alice", "wonder:land"));
	is($client->reply->{body}, "remote_user=alice\n",
	    "with it the handler knows who asks");
	$client->send(with("/user", "bob", "builder"));
	is($client->reply->{body}, "remote_user=bob\n", "and the next one");
	$client->send(request("/user"));
	is($client->reply->{status}, 401, "who was there before is forgotten");

	for my $name (sort keys %users) {
		for my $time (1, 2) {
			$client->send(with("/user", $name, $users{$name}[0]));
			is($client->reply->{body}, "remote_user=$name\n",
			    "user $name, time $time");
		}
	}
	for my $pair (["alice", "wonder:lane"], ["alice", ""],
	    ["alice", "builder"], ["bob", "wonder:land"], ["Alice",
	    "wonder:land"], ["alic", "wonder:land"], ["", ""], ["eve", "x"],
	    ["mallory", "x"], ["a" x 255, "x" x 1024], ["a" x 256, "x"],
	    ["alice", "wonder:land\0"], ["alice\0", "wonder:land"]) {
		$client->send(with("/user", @$pair));
		is($client->reply->{status}, 401, substr("not @$pair", 0, 40));
	}
	my ($good) = basic("alice", "wonder:land") =~ /Basic (.*)/;
	for my $value ("Basic", "Basic ", "Basic $good=", "Basic $good, x",
	    "Bearer $good", "Basic$good", substr("Basic $good", 0, -1),
	    "Digest username=\"alice\"") {
		$client->send(request("/user",
		    fields => ["Authorization: $value"]));
		is($client->reply->{status}, 401, $value);
	}
	$client->send(request("/user", fields => [("Authorization: Basic $good")
	    x 2]));
	is($client->reply->{status}, 401, "two fields are none");
	$client->send(request("/user", fields => ["AUTHORIZATION: bAsIc  $good"]));
	is($client->reply->{status}, 200, "case and spaces are free");

	# Whatever is asked.
	for my $method ("HEAD", "OPTIONS", "POST", "DELETE", "TRACE", "BREW") {
		$client->send(request("/hello", method => $method));
		$reply = $client->reply($method);
		is($reply->{status}, 401, "$method: 401");
		ok($reply->{fields}{"www-authenticate"}, "and how");
	}
	$client->send(with("/hello", "alice", "wonder:land",
	    method => "BREW"));
	is($client->reply->{status}, 200, "a user may");
	ok($server->log_like(qr{^127\.0\.0\.1 - - \[[^]]*\] "GET /hello HTTP/1\.1" 401 \d+$}m),
	    "the log has no user");
	ok($server->log_like(qr{^127\.0\.0\.1 - alice \[[^]]*\] "GET /user HTTP/1\.1" 200 18$}m),
	    "or has the user");
	ok($server->log_like(qr{^127\.0\.0\.1 - J\xc3\xb6rg\\x20\\x22K\\x22 \[}m),
	    "whose name is one word");
	ok($server->log_like(qr{WARNING no such user and password: 'mallory' \(client 127\.0\.0\.1, request "GET /user}),
	    "who was refused is logged");
	unlike($server->err, qr/wonder|builder|\$2y|\$6/, "no password is");
	unlike($server->err, qr/can be read by everybody/, "nor a warning");
	$server->stop;
} workers => [0, 2];

# Bodies of strangers: the next request is where it is.
each_mode {
	my ($mode) = @_;
	my $server = serve(mode => $mode, args => ["--body-memory=1000",
	    "--max-body=100000"]);
	my $client = $server->connection;

	$client->send(request("/body", method => "POST", body => "GET /user" .
	    " HTTP/1.1\r\n" . basic("alice", "wonder:land") . "\r\n\r\n") .
	    with("/user", "bob", "builder"));
	is($client->reply->{status}, 401, "a short body is read");
	is($client->reply->{body}, "remote_user=bob\n", "and no request");
	for my $fields (["Content-Length: 50000"],
	    ["Transfer-Encoding: chunked"],
	    ["Expect: 100-continue", "Content-Length: 5"]) {
		$client = $server->connection;
		$client->send(request("/body", method => "POST",
		    fields => $fields));
		my $reply = $client->reply;
		is($reply->{status}, 401, "@$fields: is not waited for");
		is($reply->{fields}{connection}, "close", "nor read");
		ok($client->is_closed, "the connection ends");
	}
	$client = $server->connection;
	$client->send(with("/body", "bob", "builder", method => "POST",
	    fields => ["Expect: 100-continue", "Content-Length: 5"]));
	is($client->reply->{status}, 100, "a user is asked for the body");
	$client->send("hello");
	is($client->reply->{status}, 200, "and served");
	$client->send(with("/body", "bob", "wrong", method => "POST",
	    body => "x" x 50000) . with("/user", "bob", "builder"));
	is($client->reply->{status}, 401, "a long body and a wrong password");
	is($client->reply->{body}, "remote_user=bob\n", "and the next request");
	$server->stop;
} workers => [1];

# A reload reads the file anew, and believes no one for what was.
each_mode {
	my ($mode) = @_;

	write_users("users", line("alice", "old", "\$2y\$04\$$salt"));
	my $server = serve(mode => $mode, workers => 2,
	    quiet => qr/reload failed/);
	my $may = sub { my $client = $server->connection;
	    $client->send(with("/user", @_, close => 1));
	    return $client->reply->{status} };

	is($may->("alice", "old"), 200, "the password");
	write_users("users", line("alice", "new", "\$2y\$04\$$salt"));
	is($may->("alice", "old"), 200, "stays until a reload");
	ok($server->tell("HUP", qr/reloaded: 2 workers/), "reload");
	is($may->("alice", "old"), 401, "is none any more");
	is($may->("alice", "new"), 200, "the new one is");
	write_users("users", line("alice", "newer", "\$2y\$04\$$salt") .
	    "bob:secret\n");
	ok($server->tell("HUP", qr/reload failed: --auth-file=\S+: line 2 has no hash of bcrypt.*htpasswd -B/),
	    "a broken file is refused");
	is($may->("alice", "new"), 200, "what was there stays");
	is($may->("alice", "newer"), 401, "and nothing else");
	unlink("$dir/users");
	ok($server->tell("HUP", qr/reload failed: --auth-file=\S+: No such file/),
	    "a missing one, too");
	is($may->("alice", "new"), 200, "it stays");
	write_users("users", line("bob", "builder", "\$5\$ab"));
	ok($server->tell("HUP", qr/reloaded: 2 workers/), "a good one");
	is($may->("alice", "new"), 401, "alice is gone");
	is($may->("bob", "builder"), 200, "bob has come");
	$server->stop;
} workers => [2];
write_users("users", $file);

# The file is named, or not any more, by a reload.
my $config = "$dir/tine.conf";
spew($config, "auth-file users\nauth-realm a \"b\\c\"\n");
my $server = start(args => [@quick, "--config=$config"], workers => 2,
    before => sub { chdir($dir) }, quiet => qr/reload failed/);
is($server->ask("/hello")->{fields}{"www-authenticate"},
    "Basic realm=\"a \\\"b\\\\c\\\"\", charset=\"UTF-8\"", "a realm, quoted");
spew($config, "keep-alive 10\n");
ok($server->tell("HUP", qr/reloaded: 2 workers/), "no file any more");
is($server->ask("/hello")->{status}, 200, "all may ask");
spew($config, "auth-realm x\n");
ok($server->tell("HUP", qr/reload failed: --auth-realm=x protects nothing/),
    "a realm alone is a mistake");
spew($config, "auth-file $dir/users\n");
ok($server->tell("HUP", qr/reloaded: 2 workers/), "a file again");
is($server->ask("/hello")->{status}, 401, "not all may");
$server->stop;

# An upgrade that fails goes back to the users there were.
subtest "an upgrade" => sub {
	write_users("users", line("alice", "old", "\$2y\$04\$$salt"));
	my $program = variant(binary("t/target"), "$dir/upgraded", "first");
	my $one = serve(program => $program, workers => 2, env => {
	    LD_LIBRARY_PATH => build(".libs") },
	    quiet => qr/upgrade|this version failed/);
	my $may = sub { my $client = $one->connection;
	    $client->send(with("/hello", @_, close => 1));
	    return $client->reply->{status} };

	write_users("users", line("alice", "new", "\$2y\$04\$$salt"));
	ok($one->tell("USR2", qr/reloaded: 2 workers/), "upgrade");
	is($may->("alice", "old"), 401, "reads the file anew");
	is($may->("alice", "new"), 200, "as a start does");
	write_users("users", "alice:\n");
	ok($one->tell("USR2", qr/no upgrade: .*--auth-file=\S+: line 1 has no hash/),
	    "a broken one is found before");
	# One that breaks in between, in front of a program that wants to read it.
	write_users("users", line("alice", "new", "\$2y\$04\$$salt"));
	variant(binary("t/target"), "$program.real", "other");
	spew($program, "#!/bin/bash\ncase \" \$* \" in\n*' --test '*) ;;\n" .
	    "*) echo alice: >$dir/users;;\nesac\n" .
	    "exec -a \"\$0\" $program.real \"\$\@\"\n");
	chmod(0755, $program);
	ok($one->tell("USR2", qr/the upgrade failed: .*--auth-file=\S+: line 1 has no hash/),
	    "one that breaks after that") or diag($one->err);
	ok((wait_for { $may->("alice", "new") == 200 }),
	    "goes back to the users there were");
	is($may->("alice", "newer"), 401, "for them only");
	$one->stop;
};
write_users("users", $file);

# The same for a program without tine_main(), which sets the option itself.
for my $mode (@modes) {
	my %o = (program => build("t/hooks"));
	my $users = write_users("own", line("alice", "old", "\$2y\$04\$$salt"));
	my $may = sub { my ($one, @who) = @_;
	    my $client = $one->connection;
	    $client->send(with("/a", @who, close => 1));
	    return $client->reply };

	my $one = start(%o, env => { MODE => $mode, HANDLE => 3,
	    USERS => $users });
	is($one->ask("/a")->{status}, 401, "$mode: handle_request, nobody");
	is($may->($one, "alice", "x")->{status}, 401, "not alice");
	like($may->($one, "alice", "old")->{body}, qr/ user=alice$/m, "alice");
	is($one->ended(10), 0, "it ends");

	$one = start(%o, env => { MODE => $mode, HANDLE => 3,
	    USERS => $users, LATER => write_users("later",
	    line("bob", "builder", "\$2y\$04\$$salt")) });
	is($may->($one, "alice", "old")->{status}, 200, "alice again");
	is($may->($one, "alice", "old")->{status}, 401,
	    "not when another file is set");
	is($may->($one, "bob", "builder")->{status}, 200, "but who is in that");
	is($one->ended(10), 0, "it ends");

	$one = start(%o, workers => 2, quiet => qr/reload failed/,
	    env => { MODE => $mode, PREFORK => 1, USERS => $users });
	is($one->ask("/a")->{status}, 401, "$mode: tine_prefork, nobody");
	like($may->($one, "alice", "old")->{body}, qr/ user=alice$/m, "alice");
	write_users("own", line("alice", "new", "\$2y\$04\$$salt"));
	ok($one->tell("HUP", qr/reloaded: \d worker/), "reload");
	is($may->($one, "alice", "old")->{status}, 401, "reads the file anew");
	is($may->($one, "alice", "new")->{status}, 200, "as the command does");
	write_users("own", "alice:\n");
	ok($one->tell("HUP", qr/reload failed: --auth-file=\S+: line 1 has no hash/),
	    "a broken one is refused");
	is($may->($one, "alice", "new")->{status}, 200, "the old one stays");
	$one->stop;

	for my $how ({ HANDLE => 1 }, { PREFORK => 1 }) {
		my ($status, $text) = run_command("env", "MODE=$mode",
		    "USERS=$users", map({ "$_=$how->{$_}" } keys %$how),
		    build("t/hooks"));

		like($text, qr/--auth-file=\S+: line 1 has no hash/,
		    "@{[%$how]} says what is wrong");
		is($status, $how->{PREFORK} ? 78 : 0, "and does not serve");
	}
}

# A directory, locked in as it is by default.
each_mode {
	my ($mode) = @_;

	mkdir("$dir/served");
	spew("$dir/served/a.txt", "text\n");
	my $one = serve(program => build("bin/tine"), mode => $mode,
	    workers => 1, args => ["$dir/served"]);
	my $client = $one->connection;

	is($one->ask("/a.txt")->{status}, 401, "a file");
	is($one->ask("/")->{status}, 401, "a listing");
	is($one->ask("/missing")->{status}, 401, "what is not there");
	$client->send(with("/a.txt", "alice", "wonder:land"));
	is($client->reply->{body}, "text\n", "for a user");
	$client->send(with("/a.txt", "J\xc3\xb6rg \"K\"", "p\xc3\xa4ss"));
	is($client->reply->{body}, "text\n", "with yescrypt, too");
	$client->send(with("/missing", "alice", "wonder:land"));
	is($client->reply->{status}, 404, "now it is missing");
	$one->stop;
} workers => [1];

# A hash takes its time, and holds up nobody but its own worker's handlers;
# the next time it is remembered.
each_mode {
	my ($mode) = @_;

	write_users("slow", line("alice", "x", "\$2y\$13\$$salt"));
	my $one = start(mode => $mode, args => [@quick,
	    "--auth-file=$dir/slow"]);
	my ($busy, $other) = map { $one->connection } 1, 2;

	$busy->send(with("/user", "mallory", "x"));
	$other->send("BAD\r\n\r\n");
	is($other->reply->{status}, 400, "others are read and answered");
	ok($busy->is_quiet(0), "while a hash is made");
	is($busy->reply("GET", 60)->{status}, 401, "then it is refused");
	my $begun = time;
	$busy->send(with("/user", "alice", "x"));
	is($busy->reply("GET", 60)->{status}, 200, "a right one");
	my $first = time - $begun;
	$begun = time;
	for (1 .. 20) {
		$busy->send(with("/user", "alice", "x"));
		$busy->reply("GET", 60);
	}
	my $twenty = time - $begun;
	cmp_ok($twenty, "<", 10 * $first, sprintf("twenty more took %.3f s, " .
	    "the first one %.3f s", $twenty, $first));
	$one->stop;
} workers => [1];

# What is found at the start: the line, the reason, what to do.
sub fails {
	my ($status, $pattern, @args) = @_;
	my ($got, $text) = run_command("timeout", 30, build("bin/tine"),
	    @args, build("t/target.so"));

	is($got, $status, "@args") or diag($text);
	like($text, $pattern, "says why");
	is(scalar(() = $text =~ /\n/g), 1, "in one line");
	unlike($text, qr/secret/, "without the password");
}

my %broken = ("a:secret\n" => qr/line 1 has no hash of bcrypt, .*\(make one with htpasswd -B\)/,
    "\n#\na:{SHA}secret\n" => qr/line 3 has a hash that is broken in no time, .*htpasswd -B/,
    "a:\$apr1\$secret\$x\n" => qr/line 1 has a hash that is broken/,
    "a:\n" => qr/line 1 has no hash of a password \(set one with htpasswd -B/,
    "secret\n" => qr/line 1 has no name and colon/,
    "a" x 256 . ":secret" => qr/line 1 has a name of more than 255 bytes/,
    "" => qr/: it names no user/, "# a\n" => qr/: it names no user/,
    $file . line("bob", "x", "\$5\$ab") =>
	qr/line 7 names a user a second time/,
    "a:secret\r\n" => qr/line 1 has a control character/);
for my $text (sort keys %broken) {
	write_users("broken", $text);
	fails(78, qr/--auth-file=\S+:? $broken{$text}|$broken{$text}/,
	    "--auth-file=$dir/broken", @$_) for [], ["--test"];
}
fails(66, qr/--auth-file=\S+: No such file/, "--auth-file=$dir/missing");
fails(78, qr/--auth-file=\S+: it is no file/, "--auth-file=$dir");
fails(78, qr/--auth-realm=x protects nothing without --auth-file/,
    "--auth-realm=x");
fails(64, qr/--auth-realm=a\tb: .* has a control character/s,
    "--auth-realm=a\tb");
my ($status, $text) = run_command(build("bin/tine"), "--test",
    "--auth-file=$dir/users", build("t/target.so"));
is($status, 0, "--test of a good one");

# Others may read it: said once.
chmod(0644, "$dir/users");
$server = serve(workers => 2);
ok($server->log_like(qr/WARNING --auth-file=\S+ can be read by everybody/),
    "a file that others may read");
is(scalar(() = $server->err =~ /can be read by everybody/g), 1, "said once");
$server->stop;

# Those of htpasswd(1) itself.
SKIP: {
	my ($htpasswd) = grep { -x } map { "$_/htpasswd" }
	    split(/:/, $ENV{PATH});
	skip("no htpasswd here", 1) unless $htpasswd;
	unlink("$dir/made");
	for my $user (["-cbB", "one"], ["-bB", "two"], ["-b5", "three"],
	    ["-b2", "four"]) {
		# An old one knows fewer kinds.
		run_command($htpasswd, $user->[0], "$dir/made", $user->[1],
		    "pass $user->[1]");
	}
	my $made = slurp("$dir/made");
	my $one = start(args => [@quick, "--auth-file=$dir/made"]);
	for my $name ($made =~ /^(\w+):/mg) {
		my $client = $one->connection;

		$client->send(with("/user", $name, "pass $name"));
		is($client->reply->{body}, "remote_user=$name\n",
		    "htpasswd made $name");
	}
	$one->stop;
}
done_testing;
