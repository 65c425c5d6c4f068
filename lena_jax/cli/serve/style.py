"""How the page looks; colours of text and ground are Gradio's, which follow the visitor's light or dark setting."""

CSS = """
.gradio-container { max-width: 76rem !important; margin: 0 auto !important; }
body, gradio-app, .gradio-container, .gradio-container .main { min-width: 0; max-width: 100vw; }
.html-container { padding: 0 !important; }
.lena, #about { --quiet: color-mix(in srgb, var(--body-text-color) 72%, transparent); }
.lena { color: var(--body-text-color); line-height: 1.45; }
.lena h1, .lena h3 { margin: 0; letter-spacing: -.01em; }
.lena h1 { font-size: 1.6rem; } .lena h3 { font-size: 1.1rem; }
.lena p { margin: .2rem 0; }
.lena-part { margin-top: 1.1rem !important; }
.lena-quiet { color: var(--quiet); font-size: .875rem; }
.lena-name { overflow-wrap: anywhere; font-weight: 600; }
.lena-head { display: flex; flex-wrap: wrap; align-items: end; justify-content: space-between; gap: .75rem 2rem;
  margin: .5rem 0; }
.lena-legend { flex: 1 1 18rem; max-width: 34rem; min-width: 0; }
.lena-bar { height: .7rem; border-radius: .2rem; margin: .25rem 0; }
.lena-ends { display: flex; justify-content: space-between; gap: .75rem; font-variant-numeric: tabular-nums; }
.lena-ends span { font-size: .8rem; color: var(--quiet); }
.lena-ends span:last-child { text-align: right; }
.lena-cards { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(min(21rem, 100%), 1fr));
  margin-top: .75rem; }
.lena-card, .lena-side { margin: 0; min-width: 0; border: 1px solid var(--border-color-primary); border-radius: .6rem;
  overflow: hidden; background: var(--block-background-fill); }
.lena-two { display: grid; grid-template-columns: 1fr 1fr; gap: 2px; }
.lena img { display: block; width: 100%; object-fit: contain; margin: 0 !important; border-radius: 0;
  background: var(--background-fill-secondary); }
.lena-two img { aspect-ratio: 1; }
.lena figcaption { display: grid; grid-template-columns: auto 1fr; gap: .15rem .6rem; align-items: baseline;
  padding: .65rem .8rem .75rem; }
.lena figcaption > p, .lena figcaption > .lena-facts { grid-column: 2; margin: 0; }
.lena-rank { min-width: 1.7rem; padding: 0 .35rem; border-radius: .3rem; text-align: center; font-weight: 700;
  background: var(--background-fill-secondary); font-variant-numeric: tabular-nums; }
.lena-facts { display: flex; flex-wrap: wrap; gap: .1rem 1.25rem; font-variant-numeric: tabular-nums; }
.lena-facts > div { display: flex; align-items: center; gap: .4rem; white-space: nowrap; }
.lena-facts span { color: var(--quiet); font-size: .875rem; }
.lena-meter { width: 4.5rem; height: .4rem; border-radius: .2rem; background: var(--border-color-primary);
  overflow: hidden; }
.lena-meter i { display: block; height: 100%; background: var(--color-accent); }
.lena details { margin: .25rem 0; } .lena summary { cursor: pointer; }
.lena-scroll { overflow-x: auto; }
.lena table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .4rem 0; min-width: 60%; }
.lena th, .lena td { text-align: left; padding: .3rem 1.25rem .3rem .25rem; border: 0 !important;
  border-bottom: 1px solid var(--border-color-primary) !important; vertical-align: top; }
.lena th { font-weight: 500; color: var(--quiet); white-space: nowrap; }
.lena td .lena-name { font-weight: 400; }
.lena-notice { margin: .5rem 0 1rem; padding: .7rem 1rem; border-radius: .4rem; border-left: 4px solid #d99a1c;
  background: var(--background-fill-secondary); }
.lena-notice ul { margin: .25rem 0 0; padding-left: 1.2rem; list-style: disc; overflow-wrap: anywhere; }
.lena-verdict { font-size: 1.1rem; } .lena-verdict > b { font-size: 1.5rem; }
.lena-chances { margin: .5rem 0 1.1rem; }
.lena-odds { height: .7rem; margin: .2rem 0; border-radius: .2rem;
  background: linear-gradient(90deg, #9c3b3e var(--share), #33589f var(--share)); }
.lena-moments { grid-template-columns: repeat(auto-fill, minmax(min(11rem, 100%), 1fr)); margin: .5rem 0 1rem; }
.lena img.lena-chart { border-radius: .4rem; margin: .4rem 0 1rem !important; max-width: 62rem; }
.lena-thumbnail { max-width: 40rem; margin-top: .5rem; }
.lena-pair { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(15rem, 100%), 1fr));
  margin-top: .75rem; }
.lena-side img { max-height: 24rem; } .lena-side .lena-map { border-top: 2px solid transparent; }
#about { max-width: 54rem; } #about h2 { font-size: 1.1rem; margin-top: 1.5rem; }
#about table { border-collapse: collapse; font-variant-numeric: tabular-nums; display: block; overflow-x: auto; }
#about th, #about td { border: 0; border-bottom: 1px solid var(--border-color-primary); padding: .3rem 1.5rem .3rem 0;
  text-align: left; }
#about th { color: var(--quiet); font-weight: 500; }
"""
