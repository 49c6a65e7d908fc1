# Uploads a file with the BITS Upload Protocol through libbitsup: progress and errors.
package Bitsup;
use strict;
use warnings;
use FFI::Platypus 2.00;

# struct bitsup_progress of bitsup.h.
package Bitsup::Record {
    use FFI::Platypus::Record;
    record_layout_1(
        size_t => 'struct_size', uint64 => 'total', uint64 => 'acknowledged', uint64 => 'sent', uint64 => 'rate',
        sint64 => 'eta_ms', sint64 => 'retry_ms', sint32 => 'state', uint32 => 'attempt',
    );
}

# Why there is no such file on the server: status, message, advice, http_status, hresult.
package Bitsup::Error {
    use overload '""' => sub { "$_[0]{message}\n$_[0]{advice}\n" };
}

use constant PENDING => 1;

my $ffi = FFI::Platypus->new(api => 2, lib => 'libbitsup.so.0');
$ffi->type('record(Bitsup::Record)*' => 'progress');
my %functions = (
    client_new          => [['opaque', 'opaque*', 'opaque*'] => 'int'],
    client_free         => [['opaque'] => 'void'],
    options_new         => [[] => 'opaque'],
    options_set_by_name => [['opaque', 'string', 'string', 'opaque*'] => 'int'],
    options_free        => [['opaque'] => 'void'],
    upload_start        => [['opaque', 'string', 'string', 'opaque', 'opaque*', 'opaque*'] => 'int'],
    upload_wait         => [['opaque', 'sint64', 'opaque*'] => 'int'],
    upload_progress     => [['opaque', 'progress'] => 'int'],
    upload_free         => [['opaque'] => 'void'],
    state_name          => [['uint32'] => 'string'],
    status_name         => [['uint32'] => 'string'],
    error_message       => [['opaque'] => 'string'],
    error_advice        => [['opaque'] => 'string'],
    error_http_status   => [['opaque'] => 'uint32'],
    error_hresult       => [['opaque'] => 'uint32'],
    error_free          => [['opaque'] => 'void'],
);
my %c = map { $_ => $ffi->function("bitsup_$_" => @{ $functions{$_} }) } keys %functions;

# Calls a function whose last argument is the place for an error; false while it is pending.
sub check {
    my ($name, @arguments) = @_;
    my $error;
    my $status = $c{$name}->call(@arguments, \$error);
    return $status != PENDING if $status <= PENDING;
    my %why = map { $_ => $c{"error_$_"}->call($error) } qw(message advice http_status hresult);
    $c{error_free}->call($error);
    die bless { %why, status => $c{status_name}->call($status) }, 'Bitsup::Error';
}

# Uploads a file and waits for the end; calls $on_progress with a hash ten times a second and at the end. Options are
# named as in bitsup.h: fragment_size for BITSUP_OPTION_FRAGMENT_SIZE.
sub upload {
    my ($path, $url, $options, $on_progress) = @_;
    my ($client, $upload);
    my $chosen = $c{options_new}->call;
    my $ok = eval {
        check('client_new', undef, \$client);
        check('options_set_by_name', $chosen, $_, $options->{$_}) for sort keys %{ $options // {} };
        check('upload_start', $client, $path, $url, $chosen, \$upload);
        my $progress = Bitsup::Record->new;
        $progress->struct_size($ffi->sizeof('record(Bitsup::Record)'));
        my $done;
        until ($done) {
            $done = check('upload_wait', $upload, 100);
            $c{upload_progress}->call($upload, $progress);
            $on_progress->({
                acknowledged => $progress->acknowledged,
                total        => $progress->total,
                state        => $c{state_name}->call($progress->state),
            }) if $on_progress;
        }
        1;
    };
    my $error = $@;
    $c{upload_free}->call($upload);
    $c{options_free}->call($chosen);
    $c{client_free}->call($client);
    die $error unless $ok;
}

1;
