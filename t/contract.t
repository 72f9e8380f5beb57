# What tine.h says of the functions that make a reply: what they return, what
# they refuse, and what the client gets then.
use strict;
use warnings;
use Test::More;
use Tine::Test;

# What each call returned, in order, by what the log says of a request.
sub calls {
	my ($server, $path, $method) = (@_, "GET");
	my $before = length $server->err;
	my $reply = $server->ask($path, method => $method);

	wait_for { substr($server->err, $before) =~
	    /"$method \Q$path\E HTTP[^"]*" \d/ };
	my @notes = substr($server->err, $before) =~
	    /^\S+ - - \[[^\]]+\] (\w.*: \w+)$/mg;
	s/\(.*\)( == \w+)?: / /, s/^tine_// for @notes;
	return ($reply, @notes);
}

each_mode {
	my ($mode, $workers) = @_;
	my $server = start(program => build("t/contract"), mode => $mode,
	    workers => $workers, args => ["--timeout=30s"],
	    quiet => qr/header field|bad header|Content-Length/);
	my ($reply, @calls) = calls($server, "/early");

	is_deeply(\@calls, ["end_headers EINVAL", "flush_headers EINVAL",
	    ("send_response EINVAL") x 3, "send_error EINVAL"],
	    "before a reply was begun");
	is($reply->{status}, 404, "which can still be");

	($reply, @calls) = calls($server, "/late");
	is_deeply(\@calls, ["send_response 0", "send_response EALREADY",
	    "send_header 0", "end_headers 0", "end_headers EALREADY",
	    "send_header EALREADY", "flush_headers EINVAL", "puts 4",
	    "output_error 0"], "when it was begun, and when its head is out");
	is("$reply->{status} $reply->{reason} $reply->{body}",
	    "200 Fine body", "it is as it was");

	($reply, @calls) = calls($server, "/overlong");
	is_deeply(\@calls, ["puts 2", "puts EFBIG", "puts EFBIG",
	    "output_error 1", "flush EFBIG"],
	    "more than the Content-Length: the error stays");

	($reply, @calls) = calls($server, "/bad-fields");
	is_deeply(\@calls, [("send_header EINVAL") x 4,
	    "send_headerf EINVAL", ("send_header EINVAL") x 2,
	    "send_header 0"], "no fields");
	is($reply->{status}, 500, "which the client is told");

	($reply, @calls) = calls($server, "/bad-parts");
	is_deeply(\@calls, [("send_file EINVAL") x 3, "send_file 0"],
	    "no parts of a file");
	is($reply->{status}, 200, "the reply is what there is of it");

	my $client = $server->connection;
	$client->send(request("/large-head"));
	my ($text, $end) = ("", time + 10 * slow());
	while (defined(my $line = $client->line($end))) {
		last if $line eq "";
		$text .= "$line\n";
	}
	is(join(" ", $text =~ /^X: 0{190,}(\d+)$/mg) =~ s/\b0+(?=\d)//gr,
	    join(" ", 0 .. 399), "a large head is whole, and in order");
	is($client->bytes(4, $end), "body", "and its body");

	$reply = $server->ask("/only");
	is("$reply->{status} $reply->{reason}", "299 Only", "another code");
	ok(!grep({ exists $reply->{fields}{$_} } "server", "date"),
	    "and neither Server nor Date");

	($reply, @calls) = calls($server, "/goes-on");
	is_deeply(\@calls, ["flush_headers 0", "flush_headers EINVAL"],
	    "the head may go on");
	is("$reply->{fields}{a} $reply->{fields}{c} $reply->{body}",
	    "b d body", "in what is written");

	# HTTP/1.0 closes, unless both want it to stay.
	$client = $server->connection;
	$client->send(request("/keeps", version => "1.0"));
	$reply = $client->reply;
	is($reply->{fields}{connection}, "keep-alive", "a handler may keep");
	$client->send(request("/only"));
	is($client->reply->{status}, 299, "and the next is answered");
	ok($server->log_like(qr/close_connection: 1\n.*close_connection: 0\n/),
	    "close_connection tells");

	my $left = $server->ask("/limit")->{body};
	if ($workers == 0) {
		is($left, -1, "no --timeout here");
	} else {
		ok($left > 0 && $left <= 30000, "what is left of --timeout");
	}

	($reply, @calls) = calls($server, "/code");
	is_deeply(\@calls, ["responses 0", "responses 0"], "a known code");
	like($reply->{body}, qr/^Not Found, \w[^,]*, -1$/, "and another");

	is($server->ask("/nuls")->{body}, join("", map {
	    "0" x ($_ - 1) . "7\0." } 508 .. 513), "tine_printf with NULs");

	# A 405 has to say what else there is (RFC 9110, section 15.5.6).
	my %allow = (POST => "GET, CONNECT", PUT => "GET, POST, CONNECT",
	    FROB => "GET, POST, CONNECT");
	for my $method (sort keys %allow) {
		$reply = $server->ask("/only", method => $method);
		is("$reply->{status} $reply->{fields}{allow}",
		    "405 $allow{$method}", "$method: 405 with Allow");
	}

	# What follows the head of a 2xx to CONNECT is no content, whatever
	# its handler says (RFC 9110, section 9.3.6).
	($reply, @calls) = calls($server, "a.example:443", "CONNECT");
	is_deeply(\@calls, ["send_header 0"], "a length is not refused");
	is($reply->{status}, 200, "CONNECT");
	ok(!exists $reply->{fields}{$_}, "without $_")
	    for "content-length", "transfer-encoding";
	is($reply->{fields}{connection}, "close", "and the end is told");
	is($reply->{body}, "tunnelled", "by that of the connection");
	$server->stop;
} workers => [0, 1];
done_testing;
