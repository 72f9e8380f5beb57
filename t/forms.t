# The tutorial's HTTP POST, sent by curl in both ways and by Python.
use strict;
use warnings;
use File::Temp qw(tempdir);
use Test::More;
use Tine::Test;

my $dir = tempdir(CLEANUP => 1);
open(my $out, ">", "$dir/file");
print $out "x\r\n--$_" for 1 .. 1000;
close($out);
my $size = -s "$dir/file";

each_mode {
	my ($mode, $workers) = @_;
	my $server = start(program => build("examples/post"), mode => $mode,
	    workers => $workers);
	my $url = "http://127.0.0.1:$server->{port}/";
	my ($status, $text) = run_command("curl", "-s", "-i", "--max-time", 20,
	    $url, "-F", "name=dhellmann", "-F", "foo=bar",
	    "-F", "datafile=\@$dir/file");

	like($text, qr{\AHTTP/1\.0 200 OK\r\nServer: [^\r]*\r\nDate: [^\r]*\r
.*Client: \('127\.0\.0\.1', \d+\)
User-agent: curl/[^\n]*
Path: /
Form data:
\tname=dhellmann
\tfoo=bar
\tUploaded datafile \($size bytes\)
\z}s, "curl -F");
	($status, $text) = run_command("curl", "-s", "--max-time", 20, $url,
	    "-d", "name=dhellmann", "-d", "foo=bar", "--data-urlencode",
	    "odd=a b&c=d%+\xc3\xa9");
	like($text, qr/\tname=dhellmann\n\tfoo=bar\n\todd=a b&c=d%\+\xc3\xa9\n\z/,
	    "curl -d");
	($status, $text) = run_command("python3", "-c", q{
import sys, urllib.parse, urllib.request
body = urllib.parse.urlencode([("name", "dhellmann"), ("foo", "bar")])
reply = urllib.request.urlopen(sys.argv[1], body.encode(), 20)
sys.stdout.write(reply.read().decode())
}, $url);
	like($text, qr/\tname=dhellmann\n\tfoo=bar\n\z/, "urllib");
	is($server->ask("/", method => "POST", body => "{}",
	    fields => ["Content-Type: application/json"])->{status}, 415,
	    "another type: 415");
	is($server->ask("/", method => "POST", body => "a=b&" x 2000,
	    fields => ["Content-Type: application/x-www-form-urlencoded"])
	    ->{status}, 413, "too many fields: 413");
	is($server->ask("/", method => "POST", body => "x", fields =>
	    ["Content-Type: multipart/form-data"])->{status}, 400,
	    "no boundary: 400");
	$server->stop;
};
done_testing;
