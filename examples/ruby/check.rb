# Tests the wrapper: ruby check.rb SCENARIO URL FILE. The caller checks the server afterwards.
require_relative 'bitsup'

def must(right, what)
  abort "wrong: #{what.inspect}" unless right
end

scenario, url, file = ARGV
case scenario
when 'progress'
  seen = []
  # Another thread runs while the library waits.
  ticks = 0
  ticker = Thread.new { loop { ticks += 1; sleep 0.001 } }
  Bitsup.upload(file, url, fragment_size: 65_536) { |progress| seen << progress }
  ticker.kill
  must(ticks.positive?, ticks)
  must(seen.each_cons(2).all? { |before, now| now.acknowledged >= before.acknowledged }, seen)
  must(seen.last.to_a == [600_000, 600_000, 'done'], seen)
when 'refused'
  begin
    Bitsup.upload(file, url)
    must(false, 'nothing was raised')
  rescue Bitsup::Error => e
    must(e.status == 'REFUSED' && e.http_status == 403 && e.hresult == 0x80070005 && !e.advice.empty?, e)
  end
  begin
    Bitsup.upload(file, url, fragment_sise: 1)
    must(false, 'nothing was raised')
  rescue Bitsup::Error => e
    must(e.status == 'UNSUPPORTED', e)
  end
when 'lost'
  Bitsup.upload(file, url, fragment_size: 65_536, retry_delay: '10ms', max_retry_delay: '50ms')
else
  abort scenario
end
