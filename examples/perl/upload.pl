# Uploads a file: perl upload.pl FILE URL
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Bitsup;

die "usage: perl upload.pl FILE URL\n" if @ARGV != 2;
$| = 1;
my $ok = eval {
    Bitsup::upload(@ARGV, {}, sub { printf "\r%d of %d bytes, %s   ", @{ $_[0] }{qw(acknowledged total state)} });
    print "\n";
    1;
};
if (!$ok) {
    die $@ unless ref $@;
    printf STDERR "upload: %s\n%s, 0x%08X\n%s\n", @{$@}{qw(message status hresult advice)};
    exit 1;
}
