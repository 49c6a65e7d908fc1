# Tests the wrapper: perl check.pl SCENARIO URL FILE. Its caller looks at the server afterwards.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Bitsup;

sub must { my ($right, $what) = @_; $right or die "wrong: $what\n" }

my ($scenario, $url, $file) = @ARGV;
if ($scenario eq 'progress') {
    my @seen;
    Bitsup::upload($file, $url, { fragment_size => 65536 }, sub { push @seen, $_[0] });
    must($seen[$_]{acknowledged} >= $seen[$_ - 1]{acknowledged}, 'it went back') for 1 .. $#seen;
    my $last = $seen[-1];
    must($last->{acknowledged} == 600000 && $last->{total} == 600000 && $last->{state} eq 'done', join ' ', %$last);
} elsif ($scenario eq 'refused') {
    must(!eval { Bitsup::upload($file, $url); 1 }, 'nothing was raised');
    my $e = $@;
    must($e->{status} eq 'REFUSED' && $e->{http_status} == 403 && $e->{hresult} == 0x80070005 && $e->{advice} ne '', "$e");
    must(!eval { Bitsup::upload($file, $url, { fragment_sise => 1 }); 1 }, 'nothing was raised');
    must($@->{status} eq 'UNSUPPORTED', "$@");
} elsif ($scenario eq 'lost') {
    Bitsup::upload($file, $url, { fragment_size => 65536, retry_delay => '10ms', max_retry_delay => '50ms' });
} else {
    die "$scenario\n";
}
