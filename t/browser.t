# A form that a real browser sends, by hand of a script in its page.
use strict;
use warnings;
use File::Temp qw(tempdir);
use Test::More;
use Tine::Test;

my ($browser) = grep { -x } map { ("/usr/bin/$_") }
    qw(chromium chromium-browser google-chrome);
plan skip_all => "no chromium is installed" unless $browser;

my $dir = tempdir(CLEANUP => 1);
my $server = start(program => build("examples/post"), mode => "fork");

sub page {
	my $type = shift;

	open(my $out, ">", "$dir/page.html") or die;
	print $out <<"END";
<!DOCTYPE html><meta charset="utf-8">
<form action="http://127.0.0.1:$server->{port}/" method="post" enctype="$type">
<input name="name" value="dhellmann"><input name="foo" value="bar">
<input name="odd" value="a&amp;b=c+d %25 \xc3\xa9 &quot;"><input name="empty">
<textarea name="lines">one
two</textarea>
<input type="file" name="datafile">
</form>
<script>
const files = new DataTransfer();
files.items.add(new File(["x".repeat(100000)], 'a "quoted" name.txt'));
document.forms[0].datafile.files = files.files;
document.forms[0].submit();
</script>
END
	close($out);
	return (run_command("timeout", 60, $browser, "--headless",
	    "--no-sandbox", "--disable-gpu", "--disable-quic",
	    "--no-first-run", "--disable-background-networking",
	    "--disable-component-update", "--disable-sync",
	    "--user-data-dir=$dir/profile", "--virtual-time-budget=10000",
	    "--dump-dom", "file://$dir/page.html"))[1];
}

my $text = page("multipart/form-data");
like($text, qr/\tname=dhellmann\n\tfoo=bar\n\todd=a&amp;b=c\+d %25 \xc3\xa9 "\n/,
    "multipart: the fields");
like($text, qr/\tlines=one\r?\n+two\n\tUploaded datafile \(100000 bytes\)/,
    "lines, and the file") or diag($text);
$text = page("application/x-www-form-urlencoded");
like($text, qr/\tname=dhellmann\n\tfoo=bar\n\todd=a&amp;b=c\+d %25 \xc3\xa9 "\n/,
    "urlencoded: the fields") or diag($text);
like($text, qr/\tdatafile=a "quoted" name\.txt\n/, "and the file's name");
$server->stop;
done_testing;
